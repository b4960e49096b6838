"""Intervals of analyses: over images for differences of networks, over runs for statistics of pairs, and over trials.

A comparison with pairs counts for each two networks how many images both classify correctly. That is all that the
variance of a linear combination of accuracies needs, so the images themselves are not needed.

Pairs of runs share runs, so they are not independent, and their number says little: what is left out, one at a time, is
a run with all pairs that it is part of (a jackknife). Over trials, which are independent, intervals are Student's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from statistics import stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratatouille.exchange.joint import joint_counts
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import Z
from ratatouille.recipes.counting import SideCounts
from ratatouille.record import Record

Floats = NDArray[np.float64]


class Interval(Record):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Joint:
    """One domain: `both[i, j]` of its images are classified correctly by network i and by network j."""

    domain: str
    images: int
    both: NDArray[np.int64]

    @property
    def accuracy(self) -> Floats:
        """Share of correctly classified images, of each network."""
        return np.diagonal(self.both) / self.images

    @property
    def covariance(self) -> Floats:
        """Covariance of the networks' accuracies over images, [k, k].

        Image by image, network i is right (1) or wrong (0). Over n images, these have the sample covariance
        n/(n−1) · (N11_ij / n − p_i p_j), and their means have it divided by n: (N11_ij / n − p_i p_j) / (n − 1).
        """
        share = self.accuracy
        found: Floats = (self.both / self.images - np.outer(share, share)) / max(self.images - 1, 1)
        return found


def joints(counted: SideCounts) -> list[Joint]:
    """The domains that have images, counts of several holdings summed; networks are in the order of the question."""
    return [Joint(one.domain, one.images, np.array(one.both, np.int64)) for one in joint_counts(counted.parts)]


def images(domains: Sequence[Joint]) -> int:
    """Images of all domains."""
    return sum(one.images for one in domains)


def accuracies(domains: Sequence[Joint]) -> Floats:
    """Accuracy of each network: the mean over domains."""
    found: Floats = np.mean([one.accuracy for one in domains], axis=0)
    return found


def covariance(domains: Sequence[Joint]) -> Floats:
    """Covariance of the networks' accuracies, [k, k]: domains have different images, so Σ_d covariance_d / D²."""
    found: Floats = np.sum([one.covariance for one in domains], axis=0) / len(domains) ** 2
    return found


def combination(domains: Sequence[Joint], coefficients: Sequence[float]) -> Interval:
    """Σ_i c_i · accuracy_i with its 95 % interval over images: the standard deviation is √(cᵀ covariance c)."""
    weights = np.asarray(coefficients, dtype=np.float64)
    value = float(weights @ accuracies(domains))
    margin = Z * math.sqrt(max(0.0, float(weights @ covariance(domains) @ weights)))
    return Interval(value=value, low=value - margin, high=value + margin)


def difference(domains: Sequence[Joint], first: int, second: int) -> Interval:
    """How much more accurate the first network is than the second."""
    coefficients = [0.0] * len(domains[0].both)
    coefficients[first] += 1
    coefficients[second] -= 1
    return combination(domains, coefficients)


def counts_of(counted: SideCounts, network: int) -> list[Evaluation]:
    """One network's counts on all holdings."""
    return [evaluation for part in counted.parts for evaluation in part.networks[network]]


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


class TrialInterval(Record):
    """A mean over `n` paired or single values with its 95 % interval; without one for fewer than two values."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def sure(self) -> bool:
        """Whether zero lies outside."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def trial_interval(values: Sequence[Fraction] | Sequence[float]) -> TrialInterval:
    """Mean and interval of independent values, such as one for each trial; of fractions the mean is the nearest float
    to the exact one.
    """
    n = len(values)
    middle = float(sum(map(Fraction, values), Fraction(0)) / n)
    if n < 2:
        return TrialInterval(mean=middle, low=None, high=None, n=n)
    half = t_quantile(n - 1) * stdev(map(float, values)) / math.sqrt(n)
    return TrialInterval(mean=middle, low=middle - half, high=middle + half, n=n)


@cache
def t_quantile(freedom: int) -> float:
    """The t with 97.5 % of Student's distribution below it."""
    from scipy.stats import t  # imported lazily: it takes half a second, and reading a summary does not need it

    return float(t.ppf(0.975, freedom))
