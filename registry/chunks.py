"""Long lists in portions: databases limit the number of values that one query takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

CHUNK = 500
"""Values of one query."""


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Portions in the order given, all but the last of one size; `itertools.batched` of Python 3.12, with lists."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
