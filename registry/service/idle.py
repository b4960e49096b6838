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
