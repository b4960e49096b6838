"""Making a backup while the registry is in use: one state of the rows, then the weights that it needs.

Those weights are claimed before the rows are written, so `gc` leaves them alone until they are copied. A second backup
into the same folder copies what is new. The manifest is replaced last: whenever this is killed, the folder holds the
last whole backup, and the next one goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal, Unreachable
from ratatouille.record import canonical_json, sha256
from registry.database import HEAD
from registry.exports.backup.folder import (
    Manifest,
    TableFile,
    alone,
    copy_out,
    lacking,
    prune,
    read_manifest,
    store_of,
    write_manifest,
)
from registry.exports.backup.rows import remove_others, write_tables
from registry.exports.content import SOFTWARE, claiming
from registry.ledger.claims import Claims
from registry.schema import BlobRow, EventRow
from registry.services.weights import Progress
from registry.storage import Storage

MOST_TRIES = 5
"""How often another state of the rows is taken, when weights were collected before they could be claimed."""

RENEW_SECONDS = 600.0
"""How often the claims are made anew while weights are copied."""


@dataclass(frozen=True)
class SavedBackup:
    """The result of a backup."""

    manifest: Manifest
    copied: int
    """Weights that were copied now."""


@dataclass(frozen=True)
class _Snapshot:
    """One state of the rows, written down."""

    at: float
    origin: str | None
    tables: list[TableFile]
    sizes: Mapping[str, int]
    """All weights that it needs."""
    new: Mapping[str, int]
    """Those that the backup does not have."""


def save(
    storage: Storage,
    folder: Path,
    check: bool = False,
    thin_out: bool = False,
    progress: Progress | None = None,
) -> SavedBackup:
    """Bring a folder to the present state of a registry.

    Args:
        storage: the registry.
        folder: where to; empty, or an earlier backup of the same registry.
        check: hash the weights that the folder has already.
        thin_out: remove weights from the folder that the registry has collected since.
        progress: is called with bytes copied and bytes in all.

    Raises:
        Refusal: for a folder that holds something else, or the backup of another registry.
        Unreachable: when database or store do not answer, or the disk is full; the same may be run again.
    """
    claimant = sha256(f"backup into {folder.resolve()}".encode())
    with alone(folder), claiming(storage, claimant) as claims:
        state = _state(storage, folder, claims, check)
        lost = copy_out(storage.blobs, folder, state.new, _renewing(storage, claims, state.new, progress))
        manifest = Manifest(
            software=SOFTWARE,
            revision=HEAD,
            origin=state.origin,
            made=state.at,
            tables=tuple(state.tables),
            blobs=len(state.sizes),
            bytes=sum(state.sizes.values()),
            missing=tuple(lost),
        )
        write_manifest(folder, manifest)
        remove_others(folder, manifest.tables)
        if thin_out:
            prune(folder, state.sizes)
        return SavedBackup(manifest, len(state.new) - len(lost))


def _state(storage: Storage, folder: Path, claims: Claims, check: bool) -> _Snapshot:
    """Write down the rows, once all weights are claimed that they need and the backup does not have."""
    before = read_manifest(folder)
    store, good = store_of(folder), set[str]()
    for _ in range(MOST_TRIES):
        with storage.database.read() as connection:
            at, origin, sizes = time.time(), _origin(connection), _sizes(connection)
            if before is not None and before.origin not in (None, origin):
                raise Refusal(f"'{folder}' holds the backup of another registry; name an empty folder")
            new = lacking(store, {digest: size for digest, size in sizes.items() if digest not in good}, check)
            good |= sizes.keys() - new.keys()
            if _claim(storage, claims, new):
                return _Snapshot(at, origin, write_tables(connection, folder), sizes, new)
    raise Unreachable("gc takes weights away faster than they can be claimed; run the backup again")


def _claim(storage: Storage, claims: Claims, sizes: Mapping[str, int]) -> bool:
    """Claim weights; False when gc took some of them since they were listed."""
    with storage.database.write() as connection:
        claims.take(connection, dict.fromkeys(sizes, 0))
        return sizes.keys() <= _sizes(connection).keys()


def _renewing(storage: Storage, claims: Claims, sizes: Mapping[str, int], progress: Progress | None) -> Progress:
    """The callback of progress, which renews the claims now and then."""
    renewed = time.monotonic()

    def renew(done: int, total: int) -> None:
        nonlocal renewed
        if time.monotonic() - renewed > RENEW_SECONDS:
            renewed = time.monotonic()
            _claim(storage, claims, sizes)
        if progress is not None:
            progress(done, total)

    return renew


def _sizes(connection: Connection) -> dict[str, int]:
    query = select(BlobRow.digest, BlobRow.size).where(BlobRow.collected.is_(None))
    return {row.digest: row.size for row in connection.execute(query)}


def _origin(connection: Connection) -> str | None:
    row = connection.execute(select(EventRow).order_by(EventRow.number).limit(1)).mappings().first()
    return None if row is None else sha256(canonical_json(dict(row)))
