"""Items taken in advance by a thread: the next message comes over the wire while the last one is hashed and written."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
DEPTH = 4
"""Messages that may wait; more would only take memory."""


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
        self._room = threading.Semaphore(DEPTH)
        self._stopped = False
        threading.Thread(target=self._read, name="ahead", daemon=True).start()

    def _read(self) -> None:
        try:
            while self._room.acquire() and not self._stopped:
                self._queue.put((next(self._items), None))
        except BaseException as error:  # StopIteration too: the reader raises it in its own thread
            self._queue.put((None, error))

    def __iter__(self) -> Iterator[T]:
        while True:
            item, error = self._queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            self._room.release()
            yield item  # type: ignore[misc]

    def stop(self) -> None:
        self._stopped = True
        self._room.release()


@contextmanager
def ahead(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """Read an iterator in advance; on leaving, the thread takes no more (the maker of the iterator ends it)."""
    reader = _Ahead(items)
    try:
        yield iter(reader)
    finally:
        reader.stop()
