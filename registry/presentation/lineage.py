"""The lineage of a version: its lines as a tree, shares in averages, and the ancestors that it began with.

Versions have several parents and parents have several children, so a walk is a graph. In the tree, a version that was
shown is named again, and what it was made from is not shown again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ratatouille.exchange.assignment import NodeAssignment
from registry.records import Contribution, Details, Entry, LineageRow
from registry.services.registry import Registry

GENERATIONS = 100
"""How far back a combined version's image size is looked for."""


@dataclass(frozen=True)
class LineageLine:
    """One version at one place of the tree."""

    above: int
    """Number of the line that it belongs to; the first line, which is number 0, belongs to none (-1)."""
    entry: Entry
    share: str
    """Its part of the average that it was combined into; empty for what a training started from."""
    again: bool = False
    """Whether it was shown before, with lines of its own."""


def lines(rows: Sequence[LineageRow], descendants: bool = False) -> Iterator[LineageLine]:
    """The tree of a walk, as `Versions.lineage` returns it, each line before those that belong to it."""
    ways: dict[str, list[LineageRow]] = defaultdict(list)
    for row in rows[1:]:
        assert row.through is not None
        ways[row.through].append(row)
    top = rows[0].entry
    yield LineageLine(-1, top, "")
    drawn, count = {top.id}, 1
    # A stack instead of recursion: a history may be deeper than Python's.
    waiting = [(0, top, row) for row in reversed(ways[top.id])]
    while waiting:
        above, before, row = waiting.pop()
        entry = row.entry
        share = share_in(row, entry if descendants else before)
        yield LineageLine(above, entry, share, again=entry.id in drawn and bool(ways[entry.id]))
        if entry.id not in drawn:
            drawn.add(entry.id)
            waiting += [(count, entry, following) for following in reversed(ways[entry.id])]
        count += 1


def share_in(row: LineageRow, child: Entry) -> str:
    """The part of a parent in the combination `child`; trainings have starts, not shares."""
    if child.version.rule.name != "combine" or row.coefficient is None:
        return ""
    return share_of(row.coefficient, sum(parent.coefficient for parent in child.version.parents))


def share_of(coefficient: float, total: float) -> str:
    """A coefficient's part of the whole: exact for counts, three digits for factors."""
    if isinstance(coefficient, int) and isinstance(total, int):
        return f"{coefficient}/{total}"
    return f"{coefficient / total:.3g}" if total else f"{coefficient:g}"


def total_share(found: Sequence[Contribution]) -> Fraction | float:
    """The sum, as a fraction where all shares can be read as fractions."""
    exact = [Fraction(one.exact) for one in found if one.exact is not None]
    return sum(exact, Fraction()) if len(exact) == len(found) else sum(one.share for one in found)


def origins(lineage: Sequence[LineageRow]) -> list[Entry]:
    """The ancestors without parents, such as the foundation, the oldest first."""
    first = {row.entry.id: row.entry for row in lineage if not row.entry.version.parents}
    return sorted(first.values(), key=lambda entry: (entry.created, entry.id))


def trained_size(registry: Registry, details: Details) -> int | None:
    """Pixels at which a version was trained, or its nearest ancestor that was trained; None where there is none."""
    for _ in range(GENERATIONS):
        if details.receipt is not None and isinstance(details.receipt.assignment, NodeAssignment):
            return details.receipt.assignment.image_size
        if not details.entry.version.parents:
            return None
        details = registry.versions.show(details.entry.version.parents[0].version)
    return None
