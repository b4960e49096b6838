"""Averages that a retraction affects: which, in which order, and what remains of each. No database here.

An average that lost a parent is made again from the others by its own method; subtracting would not give the same bits
(decision 7). A mix (float coefficients: an interpolation, a random convex mix) is no mean of equals, so nothing takes
its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Version
from registry.records import Touched


@dataclass(frozen=True)
class Average:
    """A combined version that stands."""

    version: Version
    round: str | None
    """The round that it belongs to."""

    @property
    def id(self) -> str:
        """The version's."""
        return self.version.id

    def left(self, gone: Mapping[str, str | None]) -> int:
        """How many of its parents stay, or are replaced, when some are gone."""
        return sum(gone.get(parent.version, parent.version) is not None for parent in self.version.parents)


Make = Callable[[Combination, Average], str]
"""Makes the combination that takes an average's place; returns its id. Refuses when that cannot be done."""


def in_order(averages: Sequence[Average]) -> tuple[Average, ...]:
    """Averages before those that are made of them, in one order whatever order they come in."""
    by_id = {one.id: one for one in sorted(averages, key=lambda one: one.id)}
    edges = {
        id: [parent.version for parent in one.version.parents if parent.version in by_id] for id, one in by_id.items()
    }
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
        left, replacement, reason = average.left(replacements), None, ""
        try:
            replacement = make(Combination.of(average.version).without(replacements), average)
        except Refusal as refusal:
            reason = str(refusal)
        replacements[average.id] = replacement
        touched.append(Touched(version=average.id, parents=left, replacement=replacement, reason=reason))
    return tuple(touched)
