"""Lists that come in pages, each small enough for one message; the next one begins after the last row of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
MOST_ROWS = 1000
PAGE_CHARACTERS = 8 * 2**20
"""At most four bytes each, which is half of what a message may have."""


def clipped(limit: int, most: int = MOST_ROWS) -> int:
    """A limit from outside as one that is kept."""
    return max(0, min(limit, most))


def fitting(rows: Iterable[T], size: Callable[[T], int]) -> Iterator[T]:
    """The first rows, as many as fit one page, and one in any case; `size` gives a row's characters."""
    room = PAGE_CHARACTERS
    for number, row in enumerate(rows):
        room -= size(row)
        if number and room < 0:
            return
        yield row


def every(page: Callable[[T | None], Sequence[T]]) -> Iterator[T]:
    """All rows of a list; `page` gives those that follow a row, or the first ones."""
    last = None
    while rows := page(last):
        yield from rows
        last = rows[-1]
