"""Tables of analyses: typed columns, written as CSV with all digits and shown to people with few."""

from __future__ import annotations

import csv
import io
from typing import Literal

from ratatouille.record import Record

Cell = str | int | float | bool | None


class Column(Record):
    """One column: its name, what its numbers are, and whether people see it or the CSV file only."""

    name: str
    unit: Literal["text", "number", "percent", "points"] = "text"
    shown: bool = True

    def text(self, value: Cell) -> str:
        """A value as people read it; shares are in percent, differences of shares in points."""
        if value is None:
            return "–"
        if isinstance(value, float):
            if self.unit == "percent":
                return f"{100 * value:.1f}"
            return f"{100 * value:+.1f}" if self.unit == "points" else f"{value:.3g}"
        return str(value)


class Table(Record):
    """Rows of values in the order of the columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    first: int | None = None
    """How many rows people see; the others are for the CSV file."""

    def header(self) -> list[str]:
        """Names of the columns that people see."""
        return [column.name for column in self.columns if column.shown]

    def shown(self) -> list[list[str]]:
        """The first rows as people see them."""
        return [
            [column.text(value) for column, value in zip(self.columns, row, strict=True) if column.shown]
            for row in self.rows[: self.first]
        ]

    def csv(self) -> str:
        """The whole table; an empty cell is a value that there is not."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return out.getvalue()


def points(value: float) -> str:
    """A difference of two shares, in points."""
    return f"{100 * value:.1f}"
