"""The page of two versions side by side: their scores, how far the weights moved, and what differs in their making."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from ratatouille.exchange.receipt import Receipt
from ratatouille.record import Record
from registry.presentation.history import receipt_facts, relation_sentence
from registry.records import CellDifference, Difference, Entry, Gap, Metric, PartDifference, TensorDifference
from registry.services.registry import Registry
from registry.web.page import Page, Query, named_in_address
from registry.web.summaries import MOST_ALIASES, VersionSummary, recent_moves, summary

METRICS = get_args(Metric)
MOST_SUGGESTIONS = 8
MOST_TAGS = 150
FARTHEST = 20
"""So many tensors are listed, those that moved farthest."""


class DifferingFact(Record):
    """Something that differs in how the two were made."""

    name: str
    first: str
    second: str


class Suggestion(Record):
    """Two versions that are worth comparing: before and after a release."""

    name: str
    first: str
    second: str


class ComparisonPage(Record):
    """The content of the page."""

    a: str
    b: str
    metric: str
    first: VersionSummary | None
    second: VersionSummary | None
    related: str
    """Where the two part."""
    evaluations: tuple[CellDifference, ...]
    weights: bool
    """Whether the weights are compared too, which takes the longer the larger they are."""
    parts: tuple[PartDifference, ...]
    facts: tuple[DifferingFact, ...]
    names: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]


def page(registry: Registry, query: Query) -> Page:
    """The comparison of `a` and `b`; without both, a form.

    Raises:
        NotThere: for a revision that names no version.
    """
    a, b = query.text("a"), query.text("b")
    weights = query.choice("weights", ("0", "1"), "0") == "1"
    found = None
    if a and b:
        with named_in_address():
            found = registry.versions.diff(a, b, weights)
    view = ComparisonPage(
        a=a,
        b=b,
        metric=query.choice("metric", METRICS, METRICS[0]),
        first=summary(found.first) if found else None,
        second=summary(found.second) if found else None,
        related=relation_sentence(found) if found else "",
        evaluations=found.evaluations if found else (),
        weights=weights,
        parts=found.parts if found else (),
        facts=tuple(_differing_facts(registry, found)) if found else (),
        names=(
            *registry.releases.aliases(limit=MOST_ALIASES),
            *(tag.name for tag in registry.releases.tags(limit=MOST_TAGS)),
        ),
        suggestions=() if found else tuple(_suggestions(registry)),
    )
    return Page("comparison.html.jinja", view, {"gap": gap, "sure": sure, "farthest": farthest})


def gap(row: CellDifference, metric: str) -> Gap:
    """Both versions by one metric."""
    return row.balanced_accuracy if metric == "balanced_accuracy" else row.accuracy


def sure(one: Gap) -> bool:
    """Whether the interval of the difference leaves zero out."""
    return one.low is not None and one.high is not None and (one.low > 0 or one.high < 0)


def farthest(part: PartDifference) -> Sequence[TensorDifference]:
    """The tensors that moved farthest, each measured by its own length; those that began at zero come first."""
    moved = [one for one in part.tensors if one.changed]
    return sorted(moved, key=lambda one: -(math.inf if one.distance is None else one.distance))[:FARTHEST]


def _differing_facts(registry: Registry, found: Difference) -> list[DifferingFact]:
    left, right = (_facts_of(registry, entry) for entry in (found.first, found.second))
    return [
        DifferingFact(name=name, first=left.get(name, "–"), second=right.get(name, "–"))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _facts_of(registry: Registry, entry: Entry) -> dict[str, str]:
    one = summary(entry)
    facts = {"made by": one.made, "task": one.task or "–", "contributor": one.by}
    facts["parents"] = ", ".join(parent.version[:10] for parent in one.parents[:6]) or "none"
    facts["architecture"] = registry.definitions.architecture(entry.version.architecture).name
    sealed = registry.versions.receipt(one.id)
    return facts | ({row[0]: row[1] for row in receipt_facts(Receipt.from_json(sealed.body))} if sealed else {})


def _suggestions(registry: Registry) -> list[Suggestion]:
    return [
        Suggestion(name=move.name, first=move.before[:16], second=move.version[:16])
        for move in recent_moves(registry, each=4)
        if move.before
    ][:MOST_SUGGESTIONS]
