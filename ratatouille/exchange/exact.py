"""Exact scores: shares of counted images as fractions, so that scores are compared without the noise of float sums.

Two networks that are right equally often have the same fraction, whatever the order of the domains; as sums of floats
they differ in the last bit in one of five cases (three domains of 78 images). A score that is shown or stored is the
float nearest to its fraction, so equal scores are equal floats too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

ByClass = Sequence[tuple[int, int]]
"""For each class how many of its images are classified correctly, and how many there are."""


def accuracy(classes: ByClass) -> Fraction | None:
    """Share of all images that are classified correctly; None for no image."""
    images = sum(count for _, count in classes)
    return Fraction(sum(correct for correct, _ in classes), images) if images else None


def balanced_accuracy(classes: ByClass) -> Fraction | None:
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


def metric(name: str, classes: ByClass) -> Fraction | None:
    """The metric that a task names, `accuracy` or `balanced_accuracy`; None for no image."""
    return balanced_accuracy(classes) if name == "balanced_accuracy" else accuracy(classes)


def mean(scores: Iterable[Fraction | None]) -> Fraction | None:
    """The mean of those that there are: a domain without images has no score and is left out. None for none."""
    known = [score for score in scores if score is not None]
    return sum(known, Fraction(0)) / len(known) if known else None


def nearest(score: Fraction | None) -> float:
    """The float nearest to a score, for people and for records; NaN for none."""
    return float("nan") if score is None else float(score)
