"""From counts to a number: the score of a task from the confusion matrices of its domains."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.exchange.receipt import Evaluation


def score(evaluations: Sequence[Evaluation], metric: str, slice_: str = "all") -> float:
    """A task's score: counts are summed over nodes within a domain, the metric is averaged over domains."""
    domains: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.cell.slice == slice_:
            domains.setdefault(evaluation.cell.domain, []).append(evaluation)
    if not domains:
        return float("nan")
    return sum(add(parts).metric(metric) for parts in domains.values()) / len(domains)


def add(parts: Sequence[Evaluation]) -> Evaluation:
    """One matrix of all counts, with the first part's cell."""
    rows = zip(*(part.confusion for part in parts), strict=True)
    total = tuple(tuple(map(sum, zip(*row, strict=True))) for row in rows)
    return Evaluation(cell=parts[0].cell, confusion=total)
