"""Facts from the ancestors of a version: its members, where each began, and how large its images were.

Pure functions of a lineage, as `Registry.lineage` returns it, and one walk back for the size of images.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ratatouille.exchange.assignment import NodeAssignment
from registry.records import Details, Entry, LineageRow
from registry.services.registry import Registry

GENERATIONS = 100
"""How far back a combined version's image size is looked for."""


@dataclass(frozen=True)
class Member:
    """A version that was not combined from others, and its share of the one that was."""

    entry: Entry
    share: float
    """Of 1, over all ways in; shares of extrapolations may be negative."""


def members(lineage: Sequence[LineageRow]) -> list[Member]:
    """What a version is an average of, the largest share first; a version that is no average is its own only member.

    Averages of averages are followed to their members. What a training started from is no member, but an ancestor.
    """
    entries = {row.entry.id: row.entry for row in lineage}
    ways: Counter[str] = Counter()  # how many averages inside this one each version is a member of
    waiting, seen = [lineage[0].entry.id], {lineage[0].entry.id}
    while waiting:
        for parent in _averaged(entries, waiting.pop()):
            ways[parent] += 1
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    shares: defaultdict[str, float] = defaultdict(float, {lineage[0].entry.id: 1.0})
    found, ready = [], [lineage[0].entry.id]
    while ready:  # a version is passed on once all averages that it is in were
        id = ready.pop()
        averaged = _averaged(entries, id)
        if not averaged:
            found.append(Member(entries[id], shares[id]))
        total = sum(averaged.values())
        for parent, coefficient in averaged.items():
            shares[parent] += shares[id] * coefficient / total if total else 0.0
            ways[parent] -= 1
            if not ways[parent]:
                ready.append(parent)
    return sorted(found, key=lambda one: (-one.share, one.entry.created, one.entry.id))


def origins(lineage: Sequence[LineageRow]) -> list[Entry]:
    """The ancestors without parents, such as the foundation, the oldest first."""
    first = {row.entry.id: row.entry for row in lineage if not row.entry.version.parents}
    return sorted(first.values(), key=lambda entry: (entry.created, entry.id))


def trained_size(registry: Registry, details: Details) -> int | None:
    """Pixels at which a version was trained, or the first of its ancestors that was; None where nobody trained."""
    for _ in range(GENERATIONS):
        if details.receipt is not None and isinstance(details.receipt.assignment, NodeAssignment):
            return details.receipt.assignment.image_size
        if not details.entry.version.parents:
            return None
        details = registry.versions.show(details.entry.version.parents[0].version)
    return None


def _averaged(entries: dict[str, Entry], id: str) -> dict[str, int | float]:
    """What a combined version was combined from, as far as the walk went; nothing for others."""
    version = entries[id].version
    if version.rule.name != "combine":
        return {}
    counts: defaultdict[str, int | float] = defaultdict(int)
    for parent in version.parents:
        if parent.version in entries:
            counts[parent.version] += parent.coefficient
    return counts
