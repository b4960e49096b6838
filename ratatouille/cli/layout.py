"""Tables for people, at any width: side by side where that fits, with fewer columns or one below another elsewhere.

Each table declares which of its columns a narrow terminal goes without, in which order, and which hold sentences.
Names, ids and numbers are never cut or broken; sentences go on in the next line, between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

GAP = 2
"""Spaces between two columns."""
LEAST_PROSE = 12
"""The least width of a column of sentences, unless all of them are shorter."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class TableLayout:
    """The columns of a table, and what a narrow terminal does with them."""

    columns: tuple[str, ...]
    drop: tuple[str, ...] = ()
    """Columns that a narrow terminal goes without, the first one first."""
    prose: tuple[str, ...] = ()
    """Columns of sentences or lists: they go on in the next line."""
    header: bool = True
    """Whether the names of the columns are shown."""

    def __post_init__(self) -> None:
        assert {*self.drop, *self.prose} <= set(self.columns), self
        assert set(self.columns) - set(self.drop), "a table keeps a column"

    def lines(self, rows: Sequence[Sequence[Text]], width: int | None) -> Iterator[Text]:
        """The lines of a table.

        Args:
            rows: a cell for each column.
            width: that of the terminal; None: all columns, each as wide as it needs.
        """
        columns = [self._column(rows, place) for place in range(len(self.columns))]
        if width is None:
            yield from self._side_by_side(rows, dict(enumerate(map(_widest, columns))))
            return
        narrow = {place: self._narrowest(place, column, width) for place, column in enumerate(columns)}
        dropped = self._dropped(narrow, width)
        if dropped is None:
            yield from self._one_below_another(rows, width)
            return
        narrow = {place: one for place, one in narrow.items() if self.columns[place] not in dropped}
        wanted = {place: _widest(columns[place]) for place in narrow if self.columns[place] in self.prose}
        yield from self._side_by_side(rows, _shared(narrow, wanted, width))
        if dropped:
            yield from wrapped(Text(f"(left out: {', '.join(dropped)}; --wide shows all)", "dim"), width)

    def _column(self, rows: Sequence[Sequence[Text]], place: int) -> list[Text]:
        return [Text(self.columns[place] if self.header else ""), *(row[place] for row in rows)]

    def _dropped(self, narrow: Mapping[int, int], width: int) -> list[str] | None:
        """The columns to go without; None when the others do not fit either.

        Columns are dropped in their order until the rest fits. Then those that fit into the room that a wide one left
        come back, the last dropped first.
        """
        sizes = {self.columns[place]: size + GAP for place, size in narrow.items()}
        room, dropped = width + GAP - sum(sizes.values()), list[str]()
        for name in self.drop:
            if room < 0:
                dropped.append(name)
                room += sizes[name]
        if room < 0:
            return None
        for name in reversed(dropped.copy()):
            if sizes[name] <= room:
                dropped.remove(name)
                room -= sizes[name]
        return dropped

    def _narrowest(self, place: int, column: Sequence[Text], width: int) -> int:
        """The least width of a column; what no terminal of this width can hold does not count."""
        if self.columns[place] not in self.prose:
            return _widest(column, width)
        words = [Text(word) for cell in column for word in cell.plain.split()]
        return min(max(_widest(words, width), LEAST_PROSE), _widest(column))

    def _side_by_side(self, rows: Sequence[Sequence[Text]], widths: Mapping[int, int]) -> Iterator[Text]:
        if self.header:
            rows = [[Text(name, "bold") for name in self.columns], *rows]
        for row in rows:
            cells = {
                place: wrapped(row[place], width) if self.columns[place] in self.prose else [row[place]]
                for place, width in widths.items()
            }
            for number in range(max(map(len, cells.values()))):
                line = Text()
                for place, parts in cells.items():
                    part = parts[number] if number < len(parts) else Text()
                    line.append_text(part).append(" " * max(0, widths[place] - part.cell_len) + " " * GAP)
                line.rstrip()
                yield line

    def _one_below_another(self, rows: Sequence[Sequence[Text]], width: int) -> Iterator[Text]:
        """Each row as a block of lines, for columns that do not fit side by side."""
        names = max(map(cell_len, self.columns)) + GAP if self.header else 0
        for number, row in enumerate(rows):
            if number and self.header:
                yield Text()
            for name, cell in zip(self.columns, row, strict=True):
                if not cell.plain:
                    continue
                label = Text(name + " " * (names - cell_len(name)), "bold") if self.header else Text()
                parts = wrapped(cell, width - names) if name in self.prose else [cell]
                if max(part.cell_len for part in parts) > width - names:
                    parts = wrapped(cell, width) if name in self.prose else [cell]
                    if self.header and name:
                        yield Text(name, "bold")
                    label, indent = Text(), 0
                else:
                    indent = names
                for place, part in enumerate(parts):
                    yield Text().append_text(Text(" " * indent) if place else label).append_text(part)


PAIRS = TableLayout(("name", "value"), prose=("value",), header=False)
"""Facts: a name and what it is."""


def wrapped(text: Text, width: int) -> list[Text]:
    """A sentence in lines, divided between words; a word that is longer than a line is a line."""
    begins, start = list[int](), 0
    for word in _WORD.finditer(text.plain):
        if text.plain[start : word.start()].strip() and cell_len(text.plain[start : word.end()]) > width:
            start = word.start()
            begins.append(start)
    lines = list(text.divide(begins))
    for line in lines:
        line.rstrip()
    return lines


def _side(widths: Mapping[int, int]) -> int:
    """The width of columns side by side."""
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _shared(narrow: Mapping[int, int], wanted: Mapping[int, int], width: int) -> dict[int, int]:
    """The width of each column; those that want more share what is left."""
    widths, spare = dict(narrow), width - _side(narrow)
    places = sorted(wanted, key=lambda place: wanted[place] - narrow[place])
    for left, place in zip(range(len(places), 0, -1), places, strict=True):
        given = min(wanted[place] - narrow[place], spare // left)
        widths[place] += given
        spare -= given
    return widths


def _widest(cells: Sequence[Text], limit: int | None = None) -> int:
    """The width of the widest cell, of those within a limit."""
    widths = [cell.cell_len for cell in cells]
    return max((width for width in widths if limit is None or width <= limit), default=0)
