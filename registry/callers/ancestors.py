"""Facts from the ancestors of a version: the versions that it began with, and how large its images were."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.exchange.assignment import NodeAssignment
from registry.records import Details, Entry, LineageRow
from registry.services.registry import Registry

GENERATIONS = 100
"""How far back a combined version's image size is looked for."""


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
