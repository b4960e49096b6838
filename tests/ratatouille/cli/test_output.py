from __future__ import annotations

import io
import subprocess
import sys
from contextlib import redirect_stdout

from rich.console import Console

from ratatouille.cli import output
from tests.ratatouille.cli.call import call


def _printed(*cells: str, title: str | None = None) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        output.print_table(("", ""), [cells], title)
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


def test_a_narrow_terminal_cuts_nothing_from_a_table() -> None:
    columns = ("id", "when (UTC)", "made by", "task", "contributor", "round", "aliases")
    row = ("a6c89ebd08", "2026-11-28 14:40:54", "fine_tune", "leaves", "anna", "leaves-1", "stable")
    out = io.StringIO()
    Console(file=out, width=40).print(output.table_of(columns, [row]))
    assert "…" not in out.getvalue()
    assert sorted("".join(out.getvalue().split())) == sorted("".join((*columns, *row)).replace(" ", ""))


def test_a_title_is_one_line_however_narrow_its_table() -> None:
    title = "task shapes (defined in the registry): 36 images of day, night, sketch"
    assert _printed("a", "b", title=title).splitlines()[:2] == ["", title]
