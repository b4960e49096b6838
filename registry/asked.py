"""Whether anybody still waits for what this thread works out: long work looks now and then, and stops if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO, cast

_waits: ContextVar[Callable[[], bool]] = ContextVar("waits", default=lambda: True)


class Abandoned(Exception):
    """The caller hung up, or its deadline has passed."""


@contextmanager
def asked(waits: Callable[[], bool]) -> Iterator[None]:
    """While the block runs, this thread works for somebody; `waits` says whether they still wait.

    Raises:
        Abandoned: from `look`, and at once when they have gone already.
    """
    before = _waits.set(waits)
    try:
        look()
        yield
    finally:
        _waits.reset(before)


def look() -> None:
    """Stop here if nobody waits any more; raises Abandoned."""
    if not _waits.get()():
        raise Abandoned


def waited(output: BinaryIO) -> BinaryIO:
    """A file that takes no more bytes (Abandoned) once nobody waits for them."""
    return cast(BinaryIO, _Waited(output))


class _Waited:
    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def write(self, data: bytes | memoryview) -> int:
        look()
        return self._output.write(data)
