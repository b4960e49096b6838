"""Means and paired differences over trials, with Student's 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from statistics import stdev

from ratatouille.record import Record


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
    """The t with 97.5 % of Student's distribution below it."""
    from scipy.stats import t  # takes half a second, and whoever only reads a summary needs none of it

    return float(t.ppf(0.975, freedom))
