"""Descendants of a version: the averages that it is in, what comes from it, and what a retraction leaves of them.

An average that lost a parent is made again from the others by its own method; subtracting would not give the same bits
(decision 7). A mix (float coefficients: an interpolation, a random convex mix) is no mean of equals, so nothing takes
its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from sqlalchemy import CTE, ColumnElement, Connection, Select, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Version
from registry.lists import chunks
from registry.records import Touched
from registry.schema import BlobRow, ParentRow, VersionRow


@dataclass(frozen=True)
class StandingAverage:
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


Make = Callable[[Combination, StandingAverage], str]
"""Makes the combination that takes an average's place; returns its id. Refuses when that cannot be done."""


def in_order(averages: Sequence[StandingAverage]) -> tuple[StandingAverage, ...]:
    """Averages before those that are made of them; the order does not depend on the order of the input."""
    by_id = {one.id: one for one in sorted(averages, key=lambda one: one.id)}
    edges = {
        id: [parent.version for parent in one.version.parents if parent.version in by_id] for id, one in by_id.items()
    }
    return tuple(by_id[id] for id in TopologicalSorter(edges).static_order())


def make_again(averages: Sequence[StandingAverage], gone: Sequence[str], make: Make) -> tuple[Touched, ...]:
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


def averages_with(connection: Connection, version: str) -> list[StandingAverage]:
    """The standing combinations that a version is in, through other combinations too."""
    walk = _descendants(version, VersionRow.rule == "combine", VersionRow.state == "admitted")
    query = select(VersionRow.record, VersionRow.round).join(walk, walk.c.id == VersionRow.id)
    return [StandingAverage(Version.from_json(row.record), row.round) for row in connection.execute(query)]


def is_made_of(connection: Connection, version: str, member: str) -> bool:
    """Whether a version is this one, or a combination that it is in; retracted ones count too."""
    walk = _descendants(member, VersionRow.rule == "combine")
    query = select(walk.c.id).where(walk.c.id == version).limit(1)
    return version == member or connection.execute(query).first() is not None


def come_from(connection: Connection, version: str, leaving_out: Collection[str]) -> list[str]:
    """All standing versions below one, oldest first, but for those that are left out."""
    walk = _descendants(version)
    query = select(VersionRow.id).join(walk, walk.c.id == VersionRow.id).where(VersionRow.state == "admitted")
    left_out = frozenset(leaving_out)
    return [id for id in connection.execute(query.order_by(VersionRow.number)).scalars() if id not in left_out]


def fallen(connection: Connection, versions: Collection[str]) -> tuple[str, ...]:
    """Those of these versions that do not stand."""
    found: list[str] = []
    for some in chunks(versions):
        query = select(VersionRow.id).where(VersionRow.id.in_(some), VersionRow.state != "admitted")
        found += connection.execute(query).scalars()
    return tuple(sorted(found))


def without_weights(connection: Connection, versions: Collection[str]) -> tuple[str, ...]:
    """Those of these versions whose weights gc has removed."""
    found: set[str] = set()
    part = or_(BlobRow.digest == VersionRow.featurizer, BlobRow.digest == VersionRow.head)
    for some in chunks(versions):
        query = select(VersionRow.id).join(BlobRow, part).where(VersionRow.id.in_(some), BlobRow.collected.is_not(None))
        found.update(connection.execute(query).scalars())
    return tuple(sorted(found))


def _descendants(version: str, *conditions: ColumnElement[bool]) -> CTE:
    """Ids of the versions below one, by ways through versions that fit the conditions."""
    children = select(ParentRow.child.label("id"))

    def fitting(query: Select[str]) -> Select[str]:
        return query.join(VersionRow, VersionRow.id == ParentRow.child).where(*conditions) if conditions else query

    walk = fitting(children.where(ParentRow.parent == version)).cte(recursive=True)
    return walk.union(fitting(children.join(walk, walk.c.id == ParentRow.parent)))
