"""Robust averages of the literature, to compare admission with: median, trimmed mean, Krum and Multi-Krum.

The registry's own methods make the mean, the median and the trimmed mean. Krum chooses by squared distances only, so it
needs no weights: it works on the distances that an inspection gives. Source of Krum: Blanchard et al. 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Squares = NDArray[np.float64]
"""Squared distances between contributions, [n, n]."""


@dataclass(frozen=True)
class Aggregate:
    """How contributions become one: which of them (their places), by which method of the registry."""

    places: tuple[int, ...]
    method: str = "mean"
    share: float | None = None
    """Of a trimmed mean."""


def krum_scores(squares: Squares, attackers: int) -> NDArray[np.float64]:
    """For each contribution the mean squared distance to its n − f − 1 nearest others (byzfl's form of Krum)."""
    nearest = np.sort(squares, axis=1)[:, 1 : len(squares) - attackers]
    found: NDArray[np.float64] = nearest.mean(axis=1)
    return found


def aggregates(squares: Squares, attackers: int) -> dict[str, Aggregate]:
    """Every aggregate for so many expected attackers, which each of them is told exactly."""
    count = len(squares)
    everybody = tuple(range(count))
    scores = krum_scores(squares, attackers)
    best = tuple(int(place) for place in np.argsort(scores, kind="stable"))
    return {
        "mean": Aggregate(everybody),
        "median": Aggregate(everybody, "trimmed_mean", share_of((count - 1) // 2, count)),
        "trimmed mean": Aggregate(everybody, "trimmed_mean", share_of(attackers, count)),
        "Krum": Aggregate(best[:1]),
        "Multi-Krum": Aggregate(tuple(sorted(best[: count - attackers]))),
    }


def share_of(cut: int, count: int) -> float:
    """The share of a trimmed mean that cuts off so many of `count` values at each end, however it is rounded."""
    return (cut + 0.5) / count


def squares_of(distances: Sequence[Sequence[float]]) -> Squares:
    """Squared distances."""
    return np.asarray(distances, dtype=np.float64) ** 2
