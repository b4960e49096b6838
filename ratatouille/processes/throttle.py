"""A limit on logging: one line a minute for each kind of foreign request, so that it cannot fill a service's log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

MINUTE = 60.0
_MOST_KINDS = 1000


class Throttle:
    """Decides which occurrences of a kind are worth a line; the others are counted."""

    def __init__(self, seconds: float = MINUTE, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}
        """Kind → when its last line was written, and how many were left out since."""
        self._changed = threading.Lock()

    def passes(self, kind: str) -> int | None:
        """How many of this kind were left out since its last line; None when this one is to be left out too."""
        now = self._clock()
        with self._changed:
            at, left_out = self._kinds.get(kind, (-self._seconds, 0))
            if now - at < self._seconds:
                self._kinds[kind] = (at, left_out + 1)
                return None
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = (now, 0)
            return left_out

    def warn(self, log: logging.Logger, kind: str, sentence: str) -> None:
        """Log a sentence as a warning, unless this kind had its line in the last minute."""
        if (left_out := self.passes(kind)) is not None:
            log.warning("%s%s", sentence, f" (and {left_out} more like it before)" if left_out else "")


class ThrottleFilter(logging.Filter):
    """The same for a logger of another package: lines of one text pass once a minute, without their tracebacks."""

    def __init__(self, level: int = logging.WARNING, clock: Callable[[], float] = time.monotonic) -> None:
        """Lines below `level` pass as they are."""
        super().__init__()
        self._level = level
        self._throttle = Throttle(clock=clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if record.levelno < self._level:
            return True
        if (left_out := self._throttle.passes(str(record.msg))) is None:
            return False
        record.exc_info = record.exc_text = None
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it before)", None
        return True
