"""Means and paired differences over trials, with Student's 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from statistics import stdev

from ratatouille.record import Record

_HALF = 0.475
"""Half of 95 %."""


class Interval(Record):
    """A mean over `n` paired or single values with its 95 % interval; without one for fewer than two values."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def sure(self) -> bool:
        """Whether zero lies outside."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def interval(values: Sequence[Fraction] | Sequence[float]) -> Interval:
    """Mean and interval of independent values, such as one for each trial; of fractions the mean is the nearest float
    to the exact one.
    """
    n = len(values)
    middle = float(sum(map(Fraction, values), Fraction(0)) / n)
    if n < 2:
        return Interval(mean=middle, low=None, high=None, n=n)
    half = t_quantile(n - 1) * stdev(map(float, values)) / math.sqrt(n)
    return Interval(mean=middle, low=middle - half, high=middle + half, n=n)


@cache
def t_quantile(freedom: int) -> float:
    """The t with 97.5 % of Student's distribution below it, by bisection of its integral."""
    low, high = 0.0, 20.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _integral(middle, freedom) < _HALF else (low, middle)
    return (low + high) / 2


def _integral(t: float, freedom: int, pieces: int = 2000) -> float:
    """Simpson's rule from 0 to t over the density."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    step = t / pieces
    power = -(freedom + 1) / 2
    density = [float((1 + (i * step) ** 2 / freedom) ** power) for i in range(pieces + 1)]
    return scale * step / 3 * (density[0] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]) + density[-1])
