"""Averages that a retraction affects: which, in which order, and what remains of each. No database here.

An average that lost a parent is made again from the others; subtracting would not give the same bits (decision 7). A
mix (float coefficients: an interpolation, a random convex mix) is no mean of equals, so nothing takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Parent, Version
from registry.records import Touched

MIX = "it is a mix with chosen coefficients, which means nothing without one of its parts"
NONE_LEFT = "none of its parents is left"


@dataclass(frozen=True)
class Average:
    """A combined version that stands."""

    id: str
    parents: tuple[Parent, ...]
    parts: Literal["both", "featurizer"]
    purpose: str
    round: str | None

    @classmethod
    def of(cls, version: Version, round: str | None) -> Average:
        """A version that was combined, with the round that it belongs to."""
        parts: Literal["both", "featurizer"] = "featurizer" if version.head is None else "both"
        return cls(version.id, version.parents, parts, version.rule.purpose or "uniform", round)

    @property
    def mixed(self) -> bool:
        """Whether it is a mix: coefficients of means are counts."""
        return any(isinstance(parent.coefficient, float) for parent in self.parents)

    def without(self, gone: Mapping[str, str | None]) -> tuple[Parent, ...]:
        """Its parents, where those that are gone give way to what replaces them, or to nothing (None)."""
        pairs = [(gone.get(parent.version, parent.version), parent.coefficient) for parent in self.parents]
        return tuple(Parent(version=version, coefficient=coefficient) for version, coefficient in pairs if version)


Make = Callable[[Combination, Average], str]
"""Makes the combination that takes an average's place; returns its id. Refuses when that cannot be done."""


def in_order(averages: Sequence[Average]) -> tuple[Average, ...]:
    """Averages before those that are made of them, in one order whatever order they come in."""
    by_id = {one.id: one for one in sorted(averages, key=lambda one: one.id)}
    edges = {id: [parent.version for parent in one.parents if parent.version in by_id] for id, one in by_id.items()}
    return tuple(by_id[id] for id in TopologicalSorter(edges).static_order())


def make_again(averages: Sequence[Average], gone: Sequence[str], make: Make) -> tuple[Touched, ...]:
    """Make averages again from what remains of them.

    Args:
        averages: in the order of `in_order`.
        gone: versions that no average may have as a parent any more.
        make: what makes one.

    Raises:
        Unreachable: as `make` does; to be tried again. Another refusal means that nothing replaces that average.
    """
    replacements: dict[str, str | None] = dict.fromkeys(gone)
    touched = []
    for average in averages:
        left, replacement, reason = average.without(replacements), None, ""
        if average.mixed:
            reason = MIX
        elif not left:
            reason = NONE_LEFT
        else:
            try:
                replacement = make(Combination(parents=left, parts=average.parts, purpose=average.purpose), average)
            except Refusal as refusal:
                reason = str(refusal)
        replacements[average.id] = replacement
        touched.append(Touched(version=average.id, parents=len(left), replacement=replacement, reason=reason))
    return tuple(touched)
