"""Tables at any width: no name is cut, no number broken, and no line is wider than the terminal."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

import contributor_client.commands
import coordinator.commands
import registry.commands
import registry.presentation
from ratatouille.cli.layout import PAIRS, TableLayout

WORD = st.text("abc019-ü語", min_size=1, max_size=30)
SENTENCE = st.lists(WORD, max_size=12).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[TableLayout, list[list[str]]]:
    columns = tuple(f"c{number}" for number in range(draw(st.integers(1, 6))))
    drop = tuple(draw(st.permutations(columns))[: draw(st.integers(0, len(columns) - 1))])
    prose = tuple(name for name in columns if draw(st.booleans()))
    layout = TableLayout(columns, drop, prose, header=draw(st.booleans()))
    row = st.tuples(*(SENTENCE if name in prose else WORD for name in columns)).map(list)
    return layout, draw(st.lists(row, min_size=1, max_size=4))


def lines_of(layout: TableLayout, rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    return [line.plain for line in layout.lines([[Text(cell) for cell in row] for row in rows], width)]


@given(tables(), st.integers(20, 120))
def test_at_any_width_no_name_is_cut_no_word_broken_and_no_line_too_wide(
    table: tuple[TableLayout, list[list[str]]], width: int
) -> None:
    layout, rows = table
    lines = lines_of(layout, rows, width)
    note = " ".join(lines[-3:]).partition("(left out: ")[2].partition(";")[0]
    left_out = note.split(", ") if note else []
    assert left_out == [name for name in layout.drop if name in left_out]
    words = " ".join(lines).split()
    for row in rows:
        for name, cell in zip(layout.columns, row, strict=True):
            if name not in left_out:
                assert set(cell.split()) <= set(words)
    for line in lines:
        assert cell_len(line) <= width or any(cell_len(word) > width for word in line.split()), line


def test_columns_that_fit_into_the_room_that_a_wide_one_left_are_shown() -> None:
    """The log of a round at 60 columns: its rows without what made the versions are narrow."""
    layout = TableLayout(("id", "task", "score", "made by"), drop=("task", "score", "made by"))
    row = ["3f2a91c0de", "leaves", "91.7", ("fine_tune " * 3).strip()]
    lines = lines_of(layout, [row], 40)
    assert lines[:2] == ["id          task    score", "3f2a91c0de  leaves  91.7"]
    assert lines[2] == "(left out: made by; --wide shows all)"
    wider = lines_of(layout, [[*row[:3], "fine_tune"]], 30)
    assert wider[0] == "id          score  made by", "the least of them is left out first"


@given(tables())
def test_at_full_width_a_row_is_a_line_with_all_its_columns(table: tuple[TableLayout, list[list[str]]]) -> None:
    layout, rows = table
    lines = lines_of(layout, rows, None)[1 if layout.header else 0 :]
    assert [line.split() for line in lines] == [" ".join(row).split() for row in rows]


def declared() -> Iterator[tuple[str, TableLayout]]:
    """The layouts of all commands that are constants of a module."""
    for package in (registry.commands, registry.presentation, coordinator.commands, contributor_client.commands):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, TableLayout) and value is not PAIRS:
                    yield f"{found.name}.{name}", value


LAYOUTS = dict(declared())


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_declared_table_of_ids_and_short_names_fits_side_by_side(name: str, width: int) -> None:
    layout = LAYOUTS[name]
    row = ["words of a sentence " * 5 if column in layout.prose else "3f2a91c0de" for column in layout.columns]
    lines = lines_of(layout, [row], width)
    assert not layout.header or sum(column in lines[0] for column in layout.columns) > 1
    assert max(map(cell_len, lines)) <= width


def test_columns_go_in_the_declared_order_and_the_note_says_which() -> None:
    layout = TableLayout(("id", "task", "by"), drop=("by", "task"))
    row = ["3f2a91c0de", "t" * 20, "b" * 20]
    assert lines_of(layout, [row], 54)[0].split() == ["id", "task", "by"]
    assert lines_of(layout, [row], 40)[::2] == ["id          task", "(left out: by; --wide shows all)"]
    assert lines_of(layout, [row], 20)[:2] == ["id", "3f2a91c0de"]


def test_what_fits_no_terminal_stands_alone_and_does_not_widen_its_table() -> None:
    lines = lines_of(PAIRS, [["id", "a" * 64], ["message", "some words about it that go on and on"]], 40)
    assert lines == [f"id       {'a' * 64}", "message  some words about it that go on", "         and on"]
    wide = TableLayout(("name", "text"))
    below = next(wide.lines([[Text("n" * 30), Text("t" * 30)]], 40))
    assert [(span.start, span.end, span.style) for span in below.spans] == [(0, 6, "bold")], "only the label is bold"
    assert lines_of(wide, [["n" * 30, "t" * 30]], 40) == [f"name  {'n' * 30}", f"text  {'t' * 30}"]


def test_names_of_columns_with_wide_signs_are_padded_by_cells() -> None:
    wide = TableLayout(("\u56fe\u7247", "b"), drop=())
    assert lines_of(wide, [["n" * 30, "t" * 30]], 40) == [f"\u56fe\u7247  {'n' * 30}", f"b     {'t' * 30}"]
