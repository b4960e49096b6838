"""Calls that wait for their other side: how long, how many of them, and by how much the memory may grow meanwhile.

gRPC puts a message together before it looks how long it is, and says nothing of it until then. So a message without end
shows only as memory of this process, which grows while a call waits.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from registry.transport.memory import give_back, resident_bytes

LOOK_SECONDS = 0.1
"""Time between two looks at the calls that wait."""
MOST_GROWTH = 2**29
"""Bytes by which the process may grow while a call waits for one message. Pushes at full speed take half as much."""
GIVE_BACK_SECONDS = 2.0
"""Time until the memory of calls that were ended is free."""
_log = logging.getLogger("registry")


@dataclass
class _Wait:
    until: float
    end: Callable[[], object]
    size: int
    resident: int | None = None
    """Bytes of the process at the first look at this call."""


class Waits:
    """Calls that wait, each for some seconds; when there are too many, the oldest are ended.

    They wait for a message, or until an answer is read. An honest caller sends and reads at once, so the oldest call is
    the least likely to be one.
    """

    def __init__(self, most: float, growth: float = math.inf) -> None:
        """`most` is the greatest sum of their sizes. When the process grows by more than `growth` bytes while a call
        waits, the call is ended: it may be the one whose message grows.
        """
        self._most, self._growth = most, growth
        self._size = 0
        self._waiting: dict[object, _Wait] = {}
        self._lock = threading.Lock()
        self._watched = False

    @contextmanager
    def waiting(self, end: Callable[[], object], seconds: float, size: int = 1) -> Iterator[None]:
        """Wait during the block; `end` is called after so many seconds, and when others need the place."""
        mark = self.begin(end, seconds, size)
        try:
            yield
        finally:
            self.over(mark)

    def begin(self, end: Callable[[], object], seconds: float, size: int = 1) -> object:
        """Begin to wait, as in `waiting`; returns a mark for `over`."""
        mark, ends = object(), []
        with self._lock:
            self._waiting[mark] = _Wait(time.monotonic() + seconds, end, size)
            self._size += size
            while self._size > self._most and len(self._waiting) > 1:
                ends.append(self._take(next(iter(self._waiting))))
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, name="waits", daemon=True).start()
        for one in ends:
            one()
        return mark

    def over(self, mark: object) -> None:
        """What a call waited for has come, or the call has ended."""
        with self._lock:
            if mark in self._waiting:
                self._take(mark)

    def _take(self, mark: object) -> Callable[[], object]:
        wait = self._waiting.pop(mark)
        self._size -= wait.size
        return wait.end

    def _watch(self) -> None:
        """End what waits for too long, until nothing waits any more. One thread: most calls wait for no time."""
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._watched = False
                    return
                late = self._late()
                growing = self._growing() if self._growth < math.inf else []
                ends = [self._take(mark) for mark in dict.fromkeys((*late, *growing))]
            for end in ends:
                end()
            if growing:
                _log.warning("%d calls are ended: the memory grew while their messages came", len(growing))
                threading.Timer(GIVE_BACK_SECONDS, give_back).start()

    def _late(self) -> list[object]:
        now = time.monotonic()
        return [mark for mark, wait in self._waiting.items() if wait.until < now]

    def _growing(self) -> list[object]:
        found, now = [], resident_bytes()
        for mark, wait in self._waiting.items():
            wait.resident = now if wait.resident is None else wait.resident
            if now - wait.resident > self._growth:
                found.append(mark)
        return found
