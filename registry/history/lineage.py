"""Walks through the lineage: ancestors, descendants, the nearest common ancestor, and the shares in an average.

The database collects the versions of a walk in one query, however deep they are. Which of them is how far away is found
here, breadth first, from their own records.

A combined version is Σ cᵢ·θᵢ / Σ cᵢ over its parents, some of which are combined themselves. Multiplied through, it is
one sum over versions that were not combined: trainings, probes, imports. Their shares are exact. The versions that
those came from are lineage and have no share.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, Select, String, bindparam, literal, select

from ratatouille.errors import Refusal
from registry.history.queries import MOST_ENTRIES, EntryQuery, entries, entry_of, read
from registry.ledger.revisions import resolve
from registry.lists import chunks
from registry.records import Contribution, Entry, LineageRow, Relation
from registry.schema import ParentRow, VersionRow

SHALLOW = 4
"""Up to so many steps the walk counts its steps, as it must not run to the foundation to show the parents. Beyond, it
takes each version once: with steps counted it would take a version again for each distance that it is at.
"""

LARGEST_ANSWER = 32 * 2**20
"""Characters of a walk's rows, about: one version with very many parents may be in very many rows."""

Way = tuple[str, str, int | float]
"""From a version to the next one of the walk, with the coefficient between them."""


def lineage(connection: Connection, revision: str, depth: int, descendants: bool) -> list[LineageRow]:
    """A version and its ancestors or descendants, breadth first: one row for each way that leads to one."""
    start = resolve(connection, revision)
    query = _entries(depth <= SHALLOW, descendants)
    found = {entry.id: entry for entry in read(connection, query, {"start": start, "depth": depth})}
    ways = _ways(found.values(), descendants)
    rows = [LineageRow(entry=found[start], depth=0, through=None, coefficient=None)]
    level, far, seen, room = [start], 0, {start}, LARGEST_ANSWER
    while level and far < depth:
        far += 1
        following: dict[str, None] = {}
        for here in level:
            for _, there, coefficient in ways[here]:
                room -= _characters(found[there])
                if len(rows) >= MOST_ENTRIES or room < 0:
                    return rows
                rows.append(LineageRow(entry=found[there], depth=far, through=here, coefficient=coefficient))
                following[there] = None
        level = [id for id in following if id not in seen]
        seen.update(level)
    return rows


def _characters(entry: Entry) -> int:
    """How long an entry is in an answer, about; a parent may have an author beside it."""
    return 1000 + len(entry.version.parents) * (200 if entry.version.rule.parameters else 120)


def reached(shallow: bool = False, descendants: bool = False) -> Select[Any]:
    """A query for the ids of a version and all that the walk reaches, `MOST_ENTRIES` at most and the nearest first.

    Its parameters are `start`, the version's id, and for a shallow walk `depth`.
    """
    start: BindParameter[str] = bindparam("start", type_=String)
    here, there = (ParentRow.parent, ParentRow.child) if descendants else (ParentRow.child, ParentRow.parent)
    if shallow:
        walk = select(start.label("id"), literal(0).label("far")).cte("walk", recursive=True)
        farther = walk.c.far < bindparam("depth", type_=Integer)
        walk = walk.union(select(there, walk.c.far + 1).where(here == walk.c.id, farther))
    else:
        walk = select(start.label("id")).cte("walk", recursive=True)
        walk = walk.union(select(there).where(here == walk.c.id))
    return select(select(walk.c.id).limit(MOST_ENTRIES).subquery().c.id)


@cache
def _entries(shallow: bool, descendants: bool) -> EntryQuery:
    return entries().where(VersionRow.id.in_(reached(shallow, descendants)))


def _ways(found: Iterable[Entry], descendants: bool) -> Mapping[str, list[Way]]:
    """The ways on from each version, to parents in their order, or to children by age."""
    ways: dict[str, list[Way]] = defaultdict(list)
    known = {entry.id: entry for entry in found}
    for entry in sorted(known.values(), key=lambda entry: entry.number):
        for parent in entry.version.parents:
            if parent.version in known:
                here, there = (parent.version, entry.id) if descendants else (entry.id, parent.version)
                ways[here].append((here, there, parent.coefficient))
    return ways


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


MOST_VERSIONS = 50_000
"""Averages and their members, all together."""
LONGEST = 2048
"""Bits of a denominator; mixes of mixes with float coefficients have ever longer ones, so longer ones are rounded."""
READABLE = 10**9
"""The largest denominator that is shown; longer fractions are not readable."""


def contributions(connection: Connection, revision: str) -> list[Contribution]:
    """The contributions that a version is the weighted mean of, the largest share first; itself if it is no average.

    Raises:
        Refusal: when they are too many.
    """
    found, shares, exact = composition(connection, resolve(connection, revision))
    untrained = _untrained(connection, [found[id] for id in shares if found[id].version.rule.name == "fine_tune"])
    made = [
        Contribution(
            entry=found[id],
            share=float(share),
            exact=readable_fraction(share) if exact else None,
            untrained=id in untrained,
        )
        for id, share in shares.items()
    ]
    return sorted(made, key=lambda one: (-one.share, one.entry.number))


def composition(connection: Connection, id: str) -> tuple[Mapping[str, Entry], Mapping[str, Fraction], bool]:
    """The versions that this one is combined from, itself among them, and as `shares_of` their shares.

    Raises:
        Refusal: when they are too many.
    """
    found = {entry.id: entry for entry in read(connection, _COMPOSITION, {"start": id})}
    if len(found) > MOST_VERSIONS:
        raise Refusal(f"version {id[:12]}… is made of more than {MOST_VERSIONS} versions")
    return found, *shares_of(id, found.values())


def readable_fraction(share: Fraction) -> str | None:
    """A share such as `1/6`; None for one with too many digits to be read."""
    return str(share) if share.denominator <= READABLE else None


def shares_of(start: str, found: Iterable[Entry]) -> tuple[Mapping[str, Fraction], bool]:
    """The share of each member, a version that was not combined itself, and whether all of them are exact.

    Args:
        start: the version that is taken apart.
        found: it and everything that it is combined from.
    """
    shares = {start: Fraction(1)}
    exact = True
    # children have higher numbers than their parents, so a share is complete before it is handed on
    for entry in sorted(found, key=lambda entry: -entry.number):
        if entry.version.rule.name != "combine":
            continue
        share = shares.pop(entry.id)
        if share.denominator.bit_length() > LONGEST:
            share, exact = Fraction(round(share * 2**LONGEST), 2**LONGEST), False
        share /= sum(_exact(parent.coefficient) for parent in entry.version.parents)
        for parent in entry.version.parents:
            part = share if parent.coefficient == 1 else share * _exact(parent.coefficient)
            before = shares.get(parent.version)
            shares[parent.version] = part if before is None else before + part
    return {id: share for id, share in shares.items() if share}, exact


def _untrained(connection: Connection, trainings: Sequence[Entry]) -> set[str]:
    """Those of these trainings whose two parts are parts of the versions that they started from."""
    starts: dict[str, set[str | None]] = {}
    for ids in chunks([entry.id for entry in trainings]):
        for child, featurizer, head in connection.execute(_STARTS, {"children": ids}):
            starts.setdefault(child, set()).update((featurizer, head))
    return {
        entry.id for entry in trainings if {entry.version.featurizer, entry.version.head} <= starts.get(entry.id, set())
    }


def _exact(coefficient: int | float) -> int | Fraction:
    return coefficient if isinstance(coefficient, int) else Fraction(coefficient)


def _combined_from() -> Select[Any]:
    """A query for the ids of a version (`start`) and all that it is combined from, through other averages too."""
    start: BindParameter[str] = bindparam("start", type_=String)
    walk = select(start.label("id")).cte("walk", recursive=True)
    averages = (VersionRow.id == ParentRow.child, VersionRow.rule == "combine")
    step = select(ParentRow.parent).where(ParentRow.child == walk.c.id, *averages)
    walk = walk.union(step)
    return select(select(walk.c.id).limit(MOST_VERSIONS + 1).subquery().c.id)


_CHILDREN: BindParameter[Any] = bindparam("children", expanding=True)
_STARTS = (
    select(ParentRow.child, VersionRow.featurizer, VersionRow.head)
    .join(VersionRow, VersionRow.id == ParentRow.parent)
    .where(ParentRow.child.in_(_CHILDREN))
)
_COMPOSITION = entries().where(VersionRow.id.in_(_combined_from()))
