"""The walk through a version's ancestors or descendants: one query, however deep they are.

The database collects the versions; which of them is how far away is found here, breadth first, from their own records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Integer, Select, String, bindparam, literal, select

from registry.history.queries import MOST_ENTRIES, EntryQuery, entries, read
from registry.ledger.revisions import resolve
from registry.records import Entry, LineageRow
from registry.schema import ParentRow, VersionRow

SHALLOW = 4
"""Up to so many steps the walk counts its steps, as it must not run to the foundation to show the parents. Beyond, it
takes each version once: with steps counted it would take a version again for each distance that it is at.
"""

Way = tuple[str, str, int | float]
"""From a version to the next one of the walk, with the coefficient between them."""


def lineage(connection: Connection, revision: str, depth: int, descendants: bool) -> list[LineageRow]:
    """A version and its ancestors or descendants, breadth first: one row for each way that leads to one."""
    start = resolve(connection, revision)
    query = _entries(depth <= SHALLOW, descendants)
    found = {entry.id: entry for entry in read(connection, query, {"start": start, "depth": depth})}
    ways = _ways(found.values(), descendants)
    rows = [LineageRow(entry=found[start], depth=0, through=None, coefficient=None)]
    level, far, seen = [start], 0, {start}
    while level and far < depth:
        far += 1
        following: dict[str, None] = {}
        for here in level:
            for _, there, coefficient in ways[here]:
                if len(rows) >= MOST_ENTRIES:
                    return rows
                rows.append(LineageRow(entry=found[there], depth=far, through=here, coefficient=coefficient))
                following[there] = None
        level = [id for id in following if id not in seen]
        seen.update(level)
    return rows


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
