from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout

import pytest

from ratatouille.cli import output
from ratatouille.cli.streams import Terminal
from tests.ratatouille.cli.call import call


def _printed(*cells: str, title: str | None = None) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        output.print_table(output.PAIRS, [cells], title)
    return out.getvalue()


def test_what_others_wrote_is_shown_as_it_is_and_cannot_steer_the_terminal() -> None:
    assert "[red]x[/red]" in _printed("[red]x[/red]", "")
    assert "\x1b" not in _printed("\x1b]0;title\x07", "a\x1b[2Jb")


def test_an_error_of_others_cannot_steer_the_terminal() -> None:
    answer = call("log", "--remote", "\x1b[2J[red]\x9bx")
    answer.refused("[red]")
    assert not {"\x1b", "\x9b"} & set(answer.err)


def test_a_log_line_of_others_cannot_steer_the_terminal() -> None:
    script = "import logging, sys; from ratatouille.cli.main import main; sys.argv = ['ratatouille', '--version']\n"
    script += "try: main()\nexcept SystemExit: logging.warning('a\x1b[2Jb\\nc')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == "a [2Jb\nc\n"


def test_a_table_without_column_names_has_no_header_line() -> None:
    assert _printed("a", "b").split() == ["a", "b"]
    assert _printed("a", "b").count("\n") == 1


def test_a_pipe_gets_every_column_and_a_terminal_with_wide_too(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = output.TableLayout(("first", "second"), drop=("second",))
    row = ("a" * 40, "b" * 40)
    for terminal, wide, whole in ((False, False, True), (True, False, False), (True, True, True)):
        out = io.StringIO()
        console = Terminal(file=out, force_terminal=terminal, width=60)
        console.wide = wide
        monkeypatch.setattr(output, "console", console)
        output.print_table(layout, [row])
        assert (row[1] in out.getvalue()) is whole
        assert ("left out: second; --wide shows all" in out.getvalue()) is not whole


def test_a_title_is_one_line_however_narrow_its_table() -> None:
    title = "task shapes (defined in the registry): 36 images of day, night, sketch"
    assert _printed("a", "b", title=title).splitlines()[:2] == ["", title]


def test_a_long_table_shows_its_first_rows_and_how_many_more_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(output, "console", Terminal(file=out, width=60))
    rows = [(f"row{number}",) for number in range(1000)]
    output.print_table(output.TableLayout(("name",)), rows, most=2)
    assert out.getvalue().split("\n") == ["name", "row0", "row1", "and 998 more; --json has all", ""]
