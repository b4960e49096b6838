"""Intervals for statistics over pairs of runs, and rank correlation.

Pairs share runs, so they are not independent, and their number says little: what is left out, one at a time, is a run
with all pairs that it is part of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ratatouille.analysis.joint import Interval
from ratatouille.exchange.statistics import Z

_LARGEST = 1 - 1e-9
"""A correlation of 1 has no Fisher transform."""


def correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's; None for fewer than three points or where one side does not vary."""
    if len(x) < 3 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return None
    return float(np.corrcoef(x, y)[0, 1])


Values = Sequence[Fraction] | Sequence[float]
"""What is ranked: exact scores, or anything measured."""


def rank_correlation(x: Values, y: Values) -> Interval | None:
    """Spearman's with the 95 % interval of Bonett and Wright: tanh(atanh r ± 1.96 √((1 + r²/2) / (n − 3))).

    None for fewer than four points or where one side does not vary.
    """
    if len(x) < 4 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    from scipy.stats import spearmanr  # takes half a second, which analyses of pairs need not wait for

    found = float(spearmanr(_places(x), _places(y)).statistic)
    return _back(found, math.sqrt((1 + found**2 / 2) / (len(x) - 3)))


def _places(values: Values) -> list[int]:
    """The place of each value among the different ones: fractions are compared exactly, and equal ones stay equal."""
    different: set[Any] = set(values)
    place = {value: number for number, value in enumerate(sorted(different))}
    return [place[value] for value in values]


def correlation_over_pairs(pairs: Sequence[tuple[int, int]], x: Sequence[float], y: Sequence[float]) -> Interval | None:
    """Pearson's over pairs of runs, with a 95 % interval from leaving out one run at a time, on Fisher's scale."""

    def fisher(kept: Sequence[int]) -> float | None:
        found = correlation([x[place] for place in kept], [y[place] for place in kept])
        return None if found is None else math.atanh(_inside(found))

    whole = correlation(x, y)
    deviation = deviation_over_runs(pairs, fisher)
    return None if whole is None or deviation is None else _back(whole, deviation)


def deviation_over_runs(
    pairs: Sequence[tuple[int, int]], statistic: Callable[[Sequence[int]], float | None]
) -> float | None:
    """Standard deviation of a statistic of pairs: √((m − 1)/m Σ (s₍ᵢ₎ − mean)²), s₍ᵢ₎ without the pairs of run i.

    Args:
        pairs: the two runs of each pair.
        statistic: of the pairs at these places; None where it is undefined.

    None where it is undefined without some run, as with few runs.
    """
    runs = sorted({run for pair in pairs for run in pair})
    found = [statistic([place for place, pair in enumerate(pairs) if run not in pair]) for run in runs]
    known = [one for one in found if one is not None]
    if len(known) < len(found) or len(known) < 3:
        return None
    return math.sqrt((len(known) - 1) / len(known) * sum((one - np.mean(known)) ** 2 for one in known))


def _inside(value: float) -> float:
    return min(_LARGEST, max(-_LARGEST, value))


def _back(value: float, deviation: float) -> Interval:
    """From Fisher's scale."""
    middle = math.atanh(_inside(value))
    return Interval(value=value, low=math.tanh(middle - Z * deviation), high=math.tanh(middle + Z * deviation))
