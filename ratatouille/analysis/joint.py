"""Joint accuracies of several networks on the same images, and the noise of any difference between them.

A comparison with pairs counts for each two networks how many images both classify correctly. That is all that the
variance of a linear combination of accuracies needs, so nobody has to see which images they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import Z
from ratatouille.recipes.counting import Counted
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


def joints(counted: Counted) -> list[Joint]:
    """The domains that have images, counts of several holdings summed; networks are in the order of the question."""
    images: dict[str, int] = {}
    both: dict[str, NDArray[np.int64]] = {}
    for part in counted.parts:
        size = len(part.networks)
        for number, row in enumerate(part.networks):
            for evaluation in row:
                found = both.setdefault(evaluation.cell.domain, np.zeros((size, size), np.int64))
                found[number, number] += evaluation.correct
                if number == 0:
                    images[evaluation.cell.domain] = images.get(evaluation.cell.domain, 0) + evaluation.count
        for pair in part.pairs:
            found = both[pair.cell.domain]
            found[pair.first, pair.second] += pair.both
            found[pair.second, pair.first] += pair.both
    return [Joint(domain, images[domain], both[domain]) for domain in both if images.get(domain)]


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


def counts_of(counted: Counted, network: int) -> list[Evaluation]:
    """One network's counts on all holdings."""
    return [evaluation for part in counted.parts for evaluation in part.networks[network]]
