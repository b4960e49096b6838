"""From counts to a number: the score of a task from the confusion matrices of its domains."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ratatouille.exchange import confusion, exact
from ratatouille.exchange.receipt import Evaluation


def exact_score(evaluations: Sequence[Evaluation], metric: str, slice_: str = "all") -> Fraction | None:
    """A task's score, to compare by: counts are summed over nodes within a domain, the metric is averaged over domains.

    A domain without images is left out of the mean, as a training leaves it out of its validation; None for no image.
    """
    return exact.mean(counts.exact(metric) for counts in by_domain(evaluations, slice_))


def score(evaluations: Sequence[Evaluation], metric: str, slice_: str = "all") -> float:
    """The float nearest to a task's score, to show; NaN for no image."""
    return exact.nearest(exact_score(evaluations, metric, slice_))


def by_domain(evaluations: Sequence[Evaluation], slice_: str = "all") -> list[Evaluation]:
    """The counts of each domain that has images, summed over nodes."""
    domains: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.cell.slice == slice_ and evaluation.count:
            domains.setdefault(evaluation.cell.domain, []).append(evaluation)
    return [add(parts) for parts in domains.values()]


def add(parts: Sequence[Evaluation]) -> Evaluation:
    """One matrix of all counts, with the first part's cell."""
    return Evaluation(cell=parts[0].cell, confusion=confusion.add([part.confusion for part in parts]))


def pooled_accuracy(evaluations: Sequence[Evaluation]) -> Fraction | None:
    """Share of all images together that are classified correctly, whatever their domain; None for no image.

    Greedy selection accepts by this, while it ranks by `score` (docs/method.md §3.4 and §6.2).
    """
    images = sum(evaluation.count for evaluation in evaluations)
    return Fraction(sum(evaluation.correct for evaluation in evaluations), images) if images else None
