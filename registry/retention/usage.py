"""Usage: what a registry holds and how much room it has, for people and for forecasts."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from registry.blobs.access import Blobs
from registry.ledger.claims import promised
from registry.records import Usage
from registry.schema import BlobRow, VersionRow
from registry.settings import read_settings


def usage(connection: Connection, blobs: Blobs) -> Usage:
    """Counted from the rows; nothing is listed but what is on its way in."""
    settings = read_settings(connection)
    sums = select(func.count(), func.coalesce(func.sum(BlobRow.size), 0))
    present, size = connection.execute(sums.where(BlobRow.collected.is_(None))).one()
    collected, freed = connection.execute(sums.where(BlobRow.collected.is_not(None))).one()
    return Usage(
        versions=int(connection.execute(select(func.count()).select_from(VersionRow)).scalar_one()),
        blobs=present,
        bytes=int(size),
        collected=collected,
        collected_bytes=int(freed),
        incoming_bytes=sum(path.stat().st_size for path in blobs.inbox.incoming()),
        promised_bytes=promised(connection, blobs.inbox),
        free_bytes=blobs.inbox.free_bytes(),
        reserve_bytes=settings.reserve_bytes,
        retention_rounds=settings.retention_rounds,
    )
