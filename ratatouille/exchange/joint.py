"""Joint counts of a comparison: how many images of a domain each network, and each two of them, classify correctly.

They are all that a linear combination of accuracies needs for its variance, so the images themselves are not needed.
Pure functions of counts, without numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from ratatouille.exchange.receipt import Comparison
from ratatouille.exchange.statistics import Ahead, mean_ahead


@dataclass(frozen=True)
class JointCounts:
    """One domain: `both[i][j]` of its images are classified correctly by network i and by network j."""

    domain: str
    images: int
    both: tuple[tuple[int, ...], ...]

    def combination(self, coefficients: Sequence[float]) -> Ahead:
        """Σ_i c_i · accuracy_i with its variance over images.

        As if one more image of each kind had spoken for half (Agresti and Min, 2005), so that few images on which all
        networks agree prove nothing: of two networks it is `statistics.ahead_on_same`.
        """
        weights = [Fraction(one) for one in coefficients]
        total = sum((weight * self.both[i][i] for i, weight in enumerate(weights)), Fraction(0))
        squares = sum(
            (a * b * self.both[i][j] for i, a in enumerate(weights) for j, b in enumerate(weights)), Fraction(0)
        )
        n = self.images + 2
        return Ahead(total / self.images, float(total / n), float((squares + 1 - total**2 / n) / n**2))


def joint_counts(parts: Sequence[Comparison]) -> list[JointCounts]:
    """The domains that have images, counts of several holdings summed; networks are in the order of the question."""
    images: dict[str, int] = {}
    both: dict[str, list[list[int]]] = {}
    for part in parts:
        size = len(part.networks)
        for number, row in enumerate(part.networks):
            for evaluation in row:
                found = both.setdefault(evaluation.cell.domain, [[0] * size for _ in range(size)])
                found[number][number] += evaluation.correct
                if number == 0:
                    images[evaluation.cell.domain] = images.get(evaluation.cell.domain, 0) + evaluation.count
        for pair in part.pairs:
            found = both[pair.cell.domain]
            found[pair.first][pair.second] += pair.both
            found[pair.second][pair.first] += pair.both
    return [
        JointCounts(domain, images[domain], tuple(map(tuple, rows)))
        for domain, rows in both.items()
        if images.get(domain)
    ]


def combined(domains: Sequence[JointCounts], coefficients: Sequence[float]) -> Ahead:
    """The mean of a combination over domains, of one or more; they have different images."""
    return mean_ahead([one.combination(coefficients) for one in domains])
