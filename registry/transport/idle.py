"""A stream that is silent for too long is ended: a deadline for the whole would end a slow one that is well."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Idle:
    """Calls `end` once nothing was heard for `seconds`; `heard` says that something was. A context manager."""

    def __init__(self, seconds: float, end: Callable[[], object]) -> None:
        self.expired = False
        """Whether it was this that ended the stream."""
        self._seconds = seconds
        self._end = end
        self._last: float | None = time.monotonic()
        self._over = threading.Event()

    def heard(self) -> None:
        """Begin to wait anew."""
        self._last = time.monotonic()

    def away(self) -> None:
        """Wait no more until something is heard again: now it is this side that does something else."""
        self._last = None

    def __enter__(self) -> Idle:
        self.heard()
        threading.Thread(target=self._listen, name="idle", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def _listen(self) -> None:
        left = self._seconds
        while left > 0:
            if self._over.wait(left):
                return
            last = self._last
            left = self._seconds if last is None else last + self._seconds - time.monotonic()
        self.expired = True
        self._end()


class Pace:
    """Ends a stream whose other side moves fewer than `least` bytes while we wait `seconds` for it. A context manager.

    Only waiting for the other side counts: whatever this side does meanwhile takes as long as it takes.
    """

    def __init__(self, seconds: float, least: int, end: Callable[[], object]) -> None:
        self.expired = False
        """Whether it was this that ended the stream."""
        self._seconds, self._least, self._end = seconds, least, end
        self._since: float | None = None
        self._waited, self._bytes = 0.0, 0
        self._lock = threading.Lock()
        self._over = threading.Event()

    def wait(self) -> None:
        """From now on it is the other side's turn."""
        with self._lock:
            self._since = time.monotonic()

    def moved(self, count: int) -> None:
        """The other side did its part: so many bytes."""
        with self._lock:
            self._count_waiting(time.monotonic())
            self._since = None
            self._bytes += count

    def __enter__(self) -> Pace:
        threading.Thread(target=self._watch, name="pace", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def _count_waiting(self, now: float) -> None:
        if self._since is not None:
            self._waited += now - self._since
            self._since = now

    def _watch(self) -> None:
        left = self._seconds
        while not self._over.wait(left):
            with self._lock:
                self._count_waiting(time.monotonic())
                if self._waited >= self._seconds:
                    if self._bytes < self._least:
                        break
                    self._waited, self._bytes = 0.0, 0
                left = max(0.01, self._seconds - self._waited)
        else:
            return
        self.expired = True
        self._end()
