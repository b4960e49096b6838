"""Averages: each combined version is computed again from its parents' bytes, and must be equal to the bit.

Where it is not, the parents' bytes are hashed to say whose fault it is.
"""

from __future__ import annotations

import io
from functools import partial
from typing import Any

from sqlalchemy import Row, select

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination, Version
from ratatouille.weights.methods import METHODS
from registry.audit.look import Batch, NotCheckable, checks, findings, rows_after
from registry.averages import CombineInputs, gather
from registry.blobs.access import Blobs
from registry.blobs.store import Lost
from registry.ledger.claims import refuse_removed
from registry.schema import BlobRow, ParentRow, VersionRow
from registry.storage import Storage


def look(storage: Storage, after: str) -> Batch:
    """The next average."""
    batch = Batch(after)
    with storage.database.read() as connection:
        query = select(VersionRow).where(VersionRow.rule == "combine")
        rows = rows_after(connection, query, VersionRow.number, after, limit=1)
    for row in rows:
        batch.last, batch.looked = str(row.number), 1
        found = checks([("average", partial(recomputed, storage, row))])
        batch.findings += findings("averages", row.id, found, [row.id])
        batch.bytes = 0 if batch.findings else _read(storage, row)
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
    return f"computed again from {len(version.parents)} parents, equal to the bit"


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
        """Throw the bytes away."""
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


def _read(storage: Storage, row: Row[Any]) -> int:
    """How many bytes it took: those of one parent for each."""
    with storage.database.read() as connection:
        digests = [digest for digest in (row.featurizer, row.head) if digest is not None]
        sizes = connection.execute(select(BlobRow.size).where(BlobRow.digest.in_(digests))).scalars()
        parents = connection.execute(select(ParentRow.child).where(ParentRow.child == row.id)).all()
        return sum(sizes) * len(parents)
