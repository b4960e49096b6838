"""The nearest common ancestor of two versions."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from sqlalchemy import Connection, select

from registry.history.lineage import reached
from registry.history.queries import entry_of
from registry.records import Relation
from registry.schema import ParentRow

_EDGES = select(ParentRow.child, ParentRow.parent).where(ParentRow.child.in_(reached()))


def relation(connection: Connection, first: str, second: str) -> Relation:
    """The common ancestor with the fewest steps to both together; a version may be its own.

    Of several that are equally near, the one that is nearest to the farther of the two.
    """
    ones, twos = _steps(connection, first), _steps(connection, second)
    common = ones.keys() & twos.keys()
    if not common:
        return Relation(ancestor=None, steps=(0, 0))
    near = min(common, key=lambda id: (ones[id] + twos[id], max(ones[id], twos[id]), id))
    return Relation(ancestor=entry_of(connection, near), steps=(ones[near], twos[near]))


def _steps(connection: Connection, start: str) -> Mapping[str, int]:
    """How many steps each ancestor is away."""
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in connection.execute(_EDGES, {"start": start}):
        parents[child].append(parent)
    far, waiting = {start: 0}, deque([start])
    while waiting:
        child = waiting.popleft()
        for parent in parents[child]:
            if parent not in far:
                far[parent] = far[child] + 1
                waiting.append(parent)
    return far
