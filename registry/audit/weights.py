"""Weights: each blob that versions have is hashed once, and each average is computed again, equal to the bit.

What is wrong with a blob names the versions that have it. Where an average is not equal, the parents' bytes are hashed
to find the damaged one. Blobs that `gc` collected cannot be looked at, and files that no version has cost space;
neither is wrong.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Version
from ratatouille.weights.methods import METHODS
from ratatouille.wording import number_of
from registry.audit.checking import MOST_VERSIONS, AuditBatch, NotCheckable, checks, finding, findings, rows_after
from registry.averages import CombineInputs, gather
from registry.blobs.access import Blobs
from registry.blobs.store import Lost, missing
from registry.ledger.claims import Removed, refuse_removed
from registry.lists import chunks
from registry.records import Finding
from registry.schema import BlobRow, ParentRow, VersionRow
from registry.storage import Storage

MOST_FILES = 1000
"""Unreferenced files that are listed; all are counted."""


def look_at_weights(storage: Storage, after: str) -> AuditBatch:
    """The next blob."""
    batch = AuditBatch(after)
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


def look_at_files(storage: Storage, after: str) -> AuditBatch:
    """All files of the store; they come in no order, so they are one batch."""
    if after:
        return AuditBatch(after)
    stored = storage.blobs.store.stored()
    batch, names, size = AuditBatch("all"), list[str](), 0
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
    """Read and hash the blob that a row names.

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
        return _hashed(storage, digest, row.size)
    except Refusal:
        with storage.database.read() as connection:
            refuse_removed(connection, [digest])  # meanwhile
        raise


def _hashed(storage: Storage, digest: str, size: int) -> str:
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


def look_at_averages(storage: Storage, after: str) -> AuditBatch:
    """The next average."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        query = select(VersionRow).where(VersionRow.rule == "combine")
        rows = rows_after(connection, query, VersionRow.number, after, limit=1)
    for row in rows:
        batch.last, batch.looked = str(row.number), 1
        found = checks([("average", partial(recomputed, storage, row))])
        batch.findings += findings("averages", row.id, found, [row.id])
        batch.bytes = 0 if batch.findings else _bytes_read(storage, row)
    return batch


def recomputed(storage: Storage, row: Row[Any]) -> str:
    """Compute a combined version again.

    Raises:
        Refusal: when other bytes come out, or a parent's are missing or damaged.
        Removed: when gc took weights of a parent.
        NotCheckable: when the record, or its method of combining, is of software of another release.
        Unreachable: when the store does not answer.
    """
    try:
        version = Version.from_json(row.record)
    except Refusal as refusal:
        raise NotCheckable(f"the record cannot be read: {refusal}") from refusal
    question = Combination.of(version)
    if question.method not in METHODS:
        raise NotCheckable(f"this release does not know the method {question.method!r}")
    inputs = _gathered(storage, question)
    try:
        check_average(storage.blobs, version, inputs)
    except Lost:
        _collected(storage, inputs)  # meanwhile
        raise
    except Refusal as refusal:
        if lost := _damaged(storage, inputs):
            raise Refusal(f"it cannot be computed again: weights {lost[:12]}… are missing or damaged") from refusal
        raise
    return f"computed again from {number_of(len(version.parents), 'parent')}, equal to the bit"


def check_average(blobs: Blobs, version: Version, inputs: CombineInputs) -> None:
    """Compute the parts of a combined version again.

    Raises:
        Refusal: when other bytes come out.
        Lost: when a parent's are missing or damaged.
    """
    for part in inputs.parts:
        promised, found = getattr(version, part), inputs.write(blobs, part, Discard())
        if found != promised:
            raise Refusal(f"the {part} that was computed again hashes to {found[:12]}…, not to {promised[:12]}…")


class Discard(io.BytesIO):
    """A file that keeps nothing."""

    def write(self, data: object) -> int:
        """Discard the bytes."""
        return memoryview(data).nbytes  # type: ignore[arg-type]


def _gathered(storage: Storage, question: Combination) -> CombineInputs:
    with storage.database.read() as connection:
        inputs = gather(connection, question, past=True)
    _collected(storage, inputs)
    return inputs


def _digests(inputs: CombineInputs) -> list[str]:
    return sorted({digest for part in inputs.parts for digest, _ in inputs.shares(part)})


def _collected(storage: Storage, inputs: CombineInputs) -> None:
    with storage.database.read() as connection:
        refuse_removed(connection, _digests(inputs), "of a parent")


def _damaged(storage: Storage, inputs: CombineInputs) -> str | None:
    """The first of a combination's weights that is not what it should be."""
    for digest in _digests(inputs):
        try:
            if storage.blobs.hash(digest) != digest:
                return digest
        except Refusal:
            return digest
    return None


def _bytes_read(storage: Storage, row: Row[Any]) -> int:
    """How many bytes it took: those of one parent for each."""
    with storage.database.read() as connection:
        digests = [digest for digest in (row.featurizer, row.head) if digest is not None]
        sizes = connection.execute(select(BlobRow.size).where(BlobRow.digest.in_(digests))).scalars()
        parents = connection.execute(select(ParentRow.child).where(ParentRow.child == row.id)).all()
        return sum(sizes) * len(parents)
