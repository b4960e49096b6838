from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stdout, suppress

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


def test_a_long_sentence_goes_on_between_words_on_a_terminal_and_nothing_of_it_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, words = "/" + "p" * 90, "a sentence of many words " * 10
    for terminal in (False, True):
        out = io.StringIO()
        monkeypatch.setattr(output, "console", Terminal(file=out, force_terminal=terminal, width=80))
        output.print_line(f"  {words}{path}")
        lines = out.getvalue().splitlines()
        assert (len(lines) > 1) is terminal
        assert out.getvalue().split() == [*words.split(), path]
        assert lines[0].startswith("  a sentence")
        assert not terminal or lines[-1] == path
        assert all(len(line) <= 80 for line in lines[:-1])


def test_refusals_and_log_lines_are_divided_between_words_on_a_terminal() -> None:
    script = "import logging, sys; from ratatouille.cli.main import main; sys.argv = ['ratatouille', *sys.argv[1:]]\n"
    script += "try: main()\nexcept SystemExit: logging.warning('a log line of many words ' * 9)"
    for words, begin in ((["log", "--remote", "such-remote"], b"error: "), (["log", "--limit", "many"], b"Usage: ")):
        ours, terminal = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "40", "NO_COLOR": "1"}
        subprocess.run([sys.executable, "-c", script, *words], stderr=terminal, env=environment, timeout=60)
        os.close(terminal)
        shown = _all_of(ours)
        os.close(ours)
        lines = re.sub(rb"\x1b\[[0-9;]*m", b"", shown).splitlines()
        assert lines[0].startswith(begin)
        assert len(lines) > 5
        assert all(len(line) <= 40 for line in lines), lines


def _all_of(terminal: int) -> bytes:
    shown = b""
    with suppress(OSError):  # nobody writes any more
        while part := os.read(terminal, 4096):
            shown += part
    return shown
