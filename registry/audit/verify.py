"""Checks that a version is what it says: id, parents, signature, bytes, and the average made again, bit for bit.

Averages can be proved, trainings cannot: a signed receipt says who claims to have trained, and on what. The same rules
hold in an audit of everything (`registry.audit`).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Row, select

from registry.audit.averages import recomputed
from registry.audit.look import Rules, checks
from registry.audit.versions import facts_of, rules
from registry.audit.weights import bytes_of_row
from registry.ledger.revisions import resolve
from registry.records import Verification
from registry.schema import BlobRow, VersionRow
from registry.storage import Storage


def verify(storage: Storage, revision: str) -> Verification:
    """Look at one version; no transaction is open while bytes are read."""
    with storage.database.read() as connection:
        id = resolve(connection, revision)
        row = connection.execute(select(VersionRow).where(VersionRow.id == id)).one()
        facts = facts_of(connection, [row])
        weights = select(BlobRow).where(BlobRow.digest.in_([row.featurizer, row.head]))
        blobs = {blob.digest: blob for blob in connection.execute(weights)}
    found = checks(rules(row, facts)) + checks(_bytes(storage, row, blobs))
    return Verification(id=id, checks=tuple(found))


def _bytes(storage: Storage, row: Row[Any], blobs: dict[str, Row[Any]]) -> Rules:
    for part in ("featurizer", "head"):
        digest = getattr(row, part)
        if digest is not None:
            yield part, partial(bytes_of_row, storage, blobs.get(digest), digest)
    if row.rule == "combine":
        yield "average", partial(recomputed, storage, row)
