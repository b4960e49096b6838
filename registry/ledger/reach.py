"""The reach of a version: the averages that it is in, and every version that comes from it."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import CTE, ColumnElement, Connection, Select, or_, select

from ratatouille.exchange.version import Version
from registry.ledger.affected import Average
from registry.lists import chunks
from registry.schema import BlobRow, ParentRow, VersionRow


def averages_with(connection: Connection, version: str) -> list[Average]:
    """The standing combinations that a version is in, through other combinations too."""
    walk = _descendants(version, VersionRow.rule == "combine", VersionRow.state == "admitted")
    query = select(VersionRow.record, VersionRow.round).join(walk, walk.c.id == VersionRow.id)
    return [Average(Version.from_json(row.record), row.round) for row in connection.execute(query)]


def is_made_of(connection: Connection, version: str, member: str) -> bool:
    """Whether a version is this one, or a combination that it is in, whatever became of both."""
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
