"""Axes of a plot: round numbers between the smallest and the largest value, and where a value lies on the picture."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One direction of a plot: values from `low` to `high` lie between the pixels `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value lies, to a tenth of a pixel; what is outside lies at the border."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def label(self, tick: float) -> str:
        """A tick's number, with as many digits as tell it from the next."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def axis(values: Iterable[float], start: float, end: float, ticks: int = 5, low: float | None = None) -> Axis:
    """An axis around some values, from the round number below to the one above.

    Args:
        values: what must lie on it.
        start: pixel of the smallest.
        end: pixel of the largest.
        ticks: about so many round numbers.
        low: where it begins, whatever the values are.
    """
    finite = [value for value in values if math.isfinite(value)]
    least, most = min(finite, default=0.0), max(finite, default=1.0)
    least = least if low is None else min(low, least)
    if most - least < 1e-9:
        least, most = least - 0.5, most + 0.5
    step = _round_step((most - least) / max(1, ticks))
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    marks = tuple(step * number for number in range(first, last + 1))
    return Axis(marks[0], marks[-1], start, end, marks)


def _round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, at least as large as wanted."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return power * next(step for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9))
