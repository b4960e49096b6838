"""Exact scores of counts as fractions, and the 95 % intervals of shares and of differences over images.

Two networks that are right equally often have the same fraction, whatever the order of the domains; as sums of floats
they differ in the last bit in one of five cases (three domains of 78 images). A score that is shown or stored is the
float nearest to its fraction, so equal scores are equal floats too.

Counts are summed over holdings within a domain, a task's score is the mean over its domains (as the plan has it).
Intervals are over images, as if others of the same kind had been drawn. Pure functions of counts, without numpy: the
commands that read a history import no numpy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ratatouille.exchange.confusion import Confusion, by_class, totals

ByClass = Sequence[tuple[int, int]]
"""For each class how many of its images are classified correctly, and how many there are."""


def exact_accuracy(classes: ByClass) -> Fraction | None:
    """Share of all images that are classified correctly; None for no image."""
    images = sum(count for _, count in classes)
    return Fraction(sum(correct for correct, _ in classes), images) if images else None


def exact_balanced_accuracy(classes: ByClass) -> Fraction | None:
    """Mean over the classes that occur of the share that is classified correctly; None for no image."""
    correct: Counter[int] = Counter()
    occurring = 0
    for right, images in classes:
        if images:
            correct[images] += right
            occurring += 1
    if not occurring:
        return None
    # classes of one size are added as integers: a sum of thousands of fractions would take seconds
    return sum((Fraction(right, images) for images, right in sorted(correct.items())), Fraction(0)) / occurring


def mean_score(scores: Iterable[Fraction | None]) -> Fraction | None:
    """The mean of those that there are: a domain without images has no score and is left out. None for none."""
    known = [score for score in scores if score is not None]
    return sum(known, Fraction(0)) / len(known) if known else None


def nearest_float(score: Fraction | None) -> float:
    """The float nearest to a score, for people and for records; NaN for none."""
    return float("nan") if score is None else float(score)


Z = 1.96
"""Half of a 95 % interval, in standard deviations."""


@dataclass(frozen=True)
class CountedShare:
    """A share with its variance, of so many images."""

    share: Fraction
    """What is compared."""
    variance: float
    images: int
    correct: int

    @property
    def value(self) -> float:
        """The float nearest to the share: equal shares are equal floats, and are stored and ranked as such."""
        return float(self.share)

    @property
    def margin(self) -> float:
        """Half-width of the 95 % interval."""
        return Z * math.sqrt(self.variance)


def margin(correct: int, count: int) -> float:
    """Half-width of the 95 % interval of a share: z·√(p(1−p)/n) with n = count + z², p = (correct + z²/2)/n."""
    return Z * math.sqrt(_variance(correct, count))


def accuracy(counts: Confusion) -> CountedShare:
    """Share of the images that are classified correctly, of one image or more (Agresti and Coull)."""
    correct, images = totals(counts)
    return CountedShare(Fraction(correct, images), _variance(correct, images), images, correct)


def balanced_accuracy(counts: Confusion) -> CountedShare:
    """Mean, over the classes that occur, of the share that is classified correctly; the variances add."""
    classes = [(correct, images) for correct, images in by_class(counts) if images]
    share = exact_balanced_accuracy(classes)
    assert share is not None
    return CountedShare(
        share,
        sum(_variance(correct, images) for correct, images in classes) / len(classes) ** 2,
        sum(images for _, images in classes),
        sum(correct for correct, _ in classes),
    )


METRICS: Mapping[str, Callable[[Confusion], CountedShare]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
}


def mean_of(domains: Sequence[CountedShare]) -> CountedShare:
    """The mean over domains; they have different images, so the variance is the sum over the number squared."""
    return CountedShare(
        sum((one.share for one in domains), Fraction(0)) / len(domains),
        sum(one.variance for one in domains) / len(domains) ** 2,
        sum(one.images for one in domains),
        sum(one.correct for one in domains),
    )


@dataclass(frozen=True)
class Ahead:
    """How far the second of two networks is ahead of the first."""

    share: Fraction
    """The difference of the two shares, exactly."""
    centre: float
    """The middle of the interval, which is drawn towards zero."""
    variance: float

    @property
    def value(self) -> float:
        """The float nearest to the difference; zero where they are level."""
        return float(self.share)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval over images."""
        half = Z * math.sqrt(self.variance)
        return self.centre - half, self.centre + half


def ahead_on_others(first: tuple[int, int], second: tuple[int, int]) -> Ahead:
    """Of two shares (correct, images) that nothing is known to join: Agresti and Caffo (2000), p = (x + 1)/(n + 2).

    On the same images this interval is too wide, as far as the two networks are right on the same ones.
    """
    (p, p_variance), (q, q_variance) = _agresti_caffo(*first), _agresti_caffo(*second)
    return Ahead(Fraction(*second) - Fraction(*first), q - p, p_variance + q_variance)


def ahead_on_same(only_first: int, only_second: int, images: int) -> Ahead:
    """Of the same images, where it is known how many only one of the two recognises: Agresti and Min (2005).

    As if one more image of each kind had spoken for half: (c − b)/n ± z·√(b + c − (c − b)²/n)/n with b + 1/2, c + 1/2
    and n + 2.
    """
    b, c, n = only_first + 0.5, only_second + 0.5, images + 2
    return Ahead(Fraction(only_second - only_first, images), (c - b) / n, (b + c - (c - b) ** 2 / n) / n**2)


def mean_ahead(strata: Sequence[Ahead]) -> Ahead:
    """The mean over classes or domains, which have different images."""
    return Ahead(
        sum((one.share for one in strata), Fraction(0)) / len(strata),
        sum(one.centre for one in strata) / len(strata),
        sum(one.variance for one in strata) / len(strata) ** 2,
    )


def _agresti_caffo(correct: int, images: int) -> tuple[float, float]:
    share = (correct + 1) / (images + 2)
    return share, share * (1 - share) / (images + 2)


def _variance(correct: int, count: int) -> float:
    """As if z² more images had been seen, half of them classified correctly."""
    seen = count + Z**2
    share = (correct + Z**2 / 2) / seen
    return share * (1 - share) / seen
