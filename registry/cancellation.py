"""Cancellation: long work checks now and then whether its caller still waits, and stops if not.

It is set for the thread that works for the caller, as `registry.caller` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO, cast

_waits: ContextVar[Callable[[], bool]] = ContextVar("waits", default=lambda: True)


class Cancelled(Exception):
    """The caller hung up, or its deadline has passed."""


@contextmanager
def working_for(waits: Callable[[], bool]) -> Iterator[None]:
    """While the block runs, this thread works for a caller, and `waits` says whether it still waits.

    Raises:
        Cancelled: from `check_cancelled`, and at once when the caller has gone already.
    """
    waited = _waits.set(waits)
    try:
        check_cancelled()
        yield
    finally:
        _waits.reset(waited)


def check_cancelled() -> None:
    """Raises Cancelled if the caller does not wait any more."""
    if not _waits.get()():
        raise Cancelled


def cancellable(output: BinaryIO) -> BinaryIO:
    """A file that refuses bytes (Cancelled) once the caller does not wait any more."""
    return cast(BinaryIO, _CancellableFile(output))


class _CancellableFile:
    def __init__(self, output: BinaryIO) -> None:
        self._output = output

    def write(self, data: bytes | memoryview) -> int:
        check_cancelled()
        return self._output.write(data)
