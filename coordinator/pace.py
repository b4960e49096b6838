"""The pace of a round: steps by the time at which they were seen, from which the time left is estimated.

There is no estimate before the pace is measured, and the measurement begins when steps are first seen to be done. What
comes before (starting processes, probes, reading images for the first time) would turn minutes into hours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LEAST_SECONDS = 20.0
"""Time that a measurement takes at least."""
WINDOW_SECONDS = 120.0
"""Older steps say little about those that come."""


class Pace:
    """Steps done by the time at which they were seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: int | None = None
        self._moves: deque[tuple[float, int]] = deque()
        """When the number of steps grew, and to what; the first of them is where the measurement begins."""

    def see(self, done: int) -> None:
        """Note how many steps are done now."""
        now = self._clock()
        if self._before is not None and done > self._before:
            self._moves.append((now, done))
        self._before = done
        while len(self._moves) > 2 and now - self._moves[1][0] > WINDOW_SECONDS:
            self._moves.popleft()

    def seconds_left(self, steps: int) -> float | None:
        """How long so many more steps take; None before the pace is measured."""
        if len(self._moves) < 2:
            return None
        (began, first), (_, last) = self._moves[0], self._moves[-1]
        seconds = self._clock() - began
        return None if seconds < LEAST_SECONDS else steps * seconds / (last - first)
