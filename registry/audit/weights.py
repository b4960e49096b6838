"""Weights: each blob that versions have is read and hashed once, and what is wrong names the versions that have it.

Blobs that `gc` collected cannot be looked at, and files that no version has cost space; neither is wrong.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, or_, select

from ratatouille.errors import Refusal
from registry.audit.look import MOST_VERSIONS, Batch, checks, finding, rows_after
from registry.blobs.store import missing
from registry.ledger.claims import Removed, refuse_removed
from registry.lists import chunks
from registry.records import Finding
from registry.schema import BlobRow, VersionRow
from registry.storage import Storage

MOST_FILES = 1000
"""Unreferenced files that are listed; all are counted."""


def look(storage: Storage, after: str) -> Batch:
    """The next blob."""
    batch = Batch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(BlobRow), BlobRow.digest, after, limit=1)
    for row in rows:
        batch.last, batch.looked = row.digest, 1
        (check,) = checks([("weights", partial(bytes_of_row, storage, row, row.digest))])
        if check.verdict == "ok":
            batch.bytes = row.size
            continue
        with storage.database.read() as connection:
            batch.findings.append(_affected(connection, row.digest, check.verdict, check.detail))
    return batch


def look_at_files(storage: Storage, after: str) -> Batch:
    """All files of the store; they come in no order, so they are one batch."""
    if after:
        return Batch(after)
    stored = storage.blobs.store.stored()
    batch, names, size = Batch("all"), list[str](), 0
    for some in chunks(stored):
        batch.looked += len(some)
        with storage.database.read() as connection:
            query = select(BlobRow.digest).where(BlobRow.collected.is_(None))
            owned = set(connection.execute(query.where(BlobRow.digest.in_([one.digest for one in some]))).scalars())
        for one in some:
            if one.digest not in owned:
                names.append(one.digest)
                size += one.size
                batch.findings += [_unreferenced(one.digest, f"{one.size} bytes")] if len(names) <= MOST_FILES else []
    if len(names) > MOST_FILES:
        batch.findings.append(_unreferenced("all", f"{len(names)} files with {size} bytes"))
    return batch


def _unreferenced(subject: str, detail: str) -> Finding:
    return Finding(kind="unreferenced", stage="files", subject=subject, detail=f"{detail} that no version has")


def bytes_of_row(storage: Storage, row: Row[Any] | None, digest: str) -> str:
    """Read and hash the blob that a row promises.

    Raises:
        Refusal: when it is missing, has another length, or holds other bytes.
        Removed: when gc took it.
        Unreachable: when the store does not answer.
    """
    if row is None:
        raise Refusal(f"weights {digest[:12]}… are in no list")
    if row.collected is not None:
        raise Removed(f"{digest[:12]}…", row.collected)
    try:
        return _read(storage, digest, row.size)
    except Refusal:
        with storage.database.read() as connection:
            refuse_removed(connection, [digest])  # meanwhile
        raise


def _read(storage: Storage, digest: str, size: int) -> str:
    length = storage.blobs.store.size(digest)
    if length is None:
        raise missing(digest)
    if length != size:
        raise Refusal(f"the file {digest[:12]}… has {length} bytes instead of {size}")
    found = storage.blobs.hash(digest)
    if found == digest:
        return digest
    with storage.database.read() as connection:
        known = connection.execute(select(BlobRow.digest).where(BlobRow.digest == found)).first() is not None
    whose = "the bytes of other weights" if known else "damaged bytes"
    raise Refusal(f"the file holds {whose}: it hashes to {found[:12]}…, not to {digest[:12]}…")


def _affected(connection: Connection, digest: str, kind: Literal["wrong", "not checkable"], detail: str) -> Finding:
    has_it = or_(VersionRow.featurizer == digest, VersionRow.head == digest)
    versions = connection.execute(select(VersionRow.id).where(has_it).order_by(VersionRow.number).limit(MOST_VERSIONS))
    count = connection.execute(select(func.count()).select_from(VersionRow).where(has_it)).scalar_one()
    return finding("weights", digest, detail, versions.scalars().all(), count, kind)
