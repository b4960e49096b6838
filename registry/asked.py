"""For whom this thread works: who it is, and whether they still wait.

Long work looks now and then whether they do, and stops if not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import BinaryIO, cast

_waits: ContextVar[Callable[[], bool]] = ContextVar("waits", default=lambda: True)


_peer: ContextVar[str] = ContextVar("peer", default="")


class Abandoned(Exception):
    """The caller hung up, or its deadline has passed."""


@contextmanager
def asked(waits: Callable[[], bool], peer: str = "") -> Iterator[None]:
    """While the block runs, this thread works for somebody; `waits` says whether they still wait, `peer` who it is.

    Raises:
        Abandoned: from `look`, and at once when they have gone already.
    """
    before, somebody = _waits.set(waits), _peer.set(peer)
    try:
        look()
        yield
    finally:
        _waits.reset(before)
        _peer.reset(somebody)


def peer() -> str:
    """Who asks, as far as the service can tell; empty in process."""
    return _peer.get()


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
