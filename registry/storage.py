"""The storage of one registry: its database and its weights as one value, and the check that they belong together.

A second machine that has a folder of its own instead of the common store is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from ratatouille.errors import Refusal
from registry.blobs.access import Blobs
from registry.database import Database
from registry.schema import BlobRow

NEWEST_WEIGHTS = 10
"""Weights that are looked for."""


@dataclass(frozen=True)
class Storage:
    """The database and the blobs of one registry."""

    database: Database
    blobs: Blobs


def check_belonging(database: Database, blobs: Blobs) -> None:
    """Check that the store has some of the newest weights that the database knows.

    Raises:
        Refusal: when it has none of them.
        Unreachable: when store or database do not answer.
    """
    query = select(BlobRow.digest, BlobRow.size).where(BlobRow.collected.is_(None)).order_by(BlobRow.created.desc())
    with database.read() as connection:
        newest = connection.execute(query.limit(NEWEST_WEIGHTS)).all()
    if newest and not any(blobs.holds(row.digest, row.size) for row in newest):
        raise Refusal(
            f"none of the newest weights that {database.name} knows is in {blobs.store.name}; name their store as "
            "`weights` in registry.toml (machines with one database share one store), or bring them back from a backup"
        )
