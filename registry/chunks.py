"""Long lists of ids in portions that one query can take: databases limit the number of bound values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

CHUNK = 500
"""Ids in one query."""


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """Portions in the order given."""
    rest = iter(ids)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
