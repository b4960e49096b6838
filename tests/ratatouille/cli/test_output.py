from __future__ import annotations

import io
from contextlib import redirect_stdout

from ratatouille.cli import output


def _printed(*cells: str, title: str | None = None) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        output.print_table(("", ""), [cells], title)
    return out.getvalue()


def test_what_others_wrote_is_shown_as_it_is_and_cannot_steer_the_terminal() -> None:
    assert "[red]x[/red]" in _printed("[red]x[/red]", "")
    assert "\x1b" not in _printed("\x1b]0;title\x07", "a\x1b[2Jb")


def test_a_table_without_column_names_has_no_header_line() -> None:
    assert _printed("a", "b").split() == ["a", "b"]
    assert _printed("a", "b").count("\n") == 1


def test_a_title_is_one_line_however_narrow_its_table() -> None:
    title = "task shapes (defined in the registry): 36 images of day, night, sketch"
    assert _printed("a", "b", title=title).splitlines()[:2] == ["", title]
