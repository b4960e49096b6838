"""Long lists: values of a query in chunks, answers in pages, and stored records without those that cannot be read.

Databases limit the number of values that one query takes. A page is small enough for one message; the next one begins
after the last row of this one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from ratatouille.errors import Refusal
from ratatouille.processes.throttle import Throttle

_log = logging.getLogger(__name__)
_throttle = Throttle()
T = TypeVar("T")

CHUNK = 500
"""Values of one query."""
MOST_ROWS = 1000
"""Rows of one page."""
PAGE_CHARACTERS = 8 * 2**20
"""At most four bytes each, which is half of what a message may have."""


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Chunks in the order given, all but the last of one size; `itertools.batched` of Python 3.12, with lists."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


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


def readable(kind: str, records: Iterable[str], read: Callable[[str], T]) -> Iterator[T]:
    """The records that can be read, in their order; the log names the others.

    Records are checked before they are stored, so one is unreadable when the database was edited by hand, or when
    newer software wrote it.

    Args:
        kind: what they are, in the plural, for the log; one line a minute at most.
        records: as they are stored.
        read: makes one of them; it refuses what it cannot read.
    """
    for record in records:
        try:
            yield read(record)
        except Refusal as error:
            _throttle.warn(_log, kind, f"one of the stored {kind} cannot be read and is left out: {error}")
