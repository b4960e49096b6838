"""Composition of averages: the exact share of each contribution in one, and its contributor.

A combined version is Σ cᵢ·θᵢ / Σ cᵢ over its parents, some of which are combined themselves. Multiplied through, it is
one sum over versions that nobody combined: trainings, probes, imports. What those came from is lineage, no share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, String, bindparam, select

from ratatouille.errors import Refusal
from registry.history.queries import entries, read
from registry.ledger.revisions import resolve
from registry.lists import chunks
from registry.records import Contribution, Entry
from registry.schema import ParentRow, VersionRow

MOST_VERSIONS = 50_000
"""Averages and their members, all together."""
LONGEST = 2048
"""Bits of a denominator; mixes of mixes with float coefficients have ever longer ones, of which nobody sees the end."""
READABLE = 10**9
"""Denominators up to here are said; a number has more digits than anybody reads."""


def contributions(connection: Connection, revision: str) -> list[Contribution]:
    """The contributions that a version is the weighted mean of, the largest share first; itself if it is no average.

    Raises:
        Refusal: when they are too many.
    """
    start = resolve(connection, revision)
    found = {entry.id: entry for entry in read(connection, _ENTRIES, {"start": start})}
    if len(found) > MOST_VERSIONS:
        raise Refusal(f"version {start[:12]}… is made of more than {MOST_VERSIONS} versions")
    shares, exact = shares_of(start, found.values())
    untrained = _untrained(connection, [found[id] for id in shares if found[id].version.rule.name == "fine_tune"])
    made = [
        Contribution(
            entry=found[id],
            share=float(share),
            exact=str(share) if exact and share.denominator <= READABLE else None,
            untrained=id in untrained,
        )
        for id, share in shares.items()
    ]
    return sorted(made, key=lambda one: (-one.share, one.entry.number))


def shares_of(start: str, found: Iterable[Entry]) -> tuple[Mapping[str, Fraction], bool]:
    """The share of each version that nobody combined, and whether all of them are exact.

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


def _reached() -> Select[Any]:
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
_ENTRIES = entries().where(VersionRow.id.in_(_reached()))
