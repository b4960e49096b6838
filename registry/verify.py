"""Checks that a version is what it says: bytes, id, parents, signature, and the average made again, bit for bit.

Averages can be proved, trainings cannot: a signed receipt says who claims to have trained, and on what.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import unseal
from ratatouille.exchange.version import Combination, Version
from registry.blobs.access import Blobs
from registry.database import Database
from registry.ingredients import gather
from registry.queries import sealed_receipt
from registry.records import Check, Verification
from registry.removed import Removed, refuse_removed
from registry.revisions import resolve
from registry.schema import VersionRow


def verify(database: Database, blobs: Blobs, revision: str) -> Verification:
    """Look at one version; the checks come in the order in which one failure explains the next."""
    with database.read() as connection:
        id = resolve(connection, revision)
        record = connection.execute(select(VersionRow.record).where(VersionRow.id == id)).scalar_one()
        return Verification(id=id, checks=tuple(_checks(connection, blobs, id, record)))


def _checks(connection: Connection, blobs: Blobs, id: str, record: str) -> Iterator[Check]:
    yield _check("id", lambda: _expect(id, hashlib.sha256(record.encode()).hexdigest(), "the record"))
    version = Version.from_json(record)
    yield _check("featurizer", lambda: _bytes(connection, blobs, version.featurizer))
    if version.head is not None:
        head = version.head
        yield _check("head", lambda: _bytes(connection, blobs, head))
    yield _check("parents", lambda: _parents(connection, version))
    if version.receipt is not None:
        yield _check("receipt", lambda: _receipt(connection, version))
    if version.rule.name == "combine":
        yield _check("average", lambda: _average(connection, blobs, version))


def _check(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what=what, ok=True, detail=look())
    except Unreachable:  # a store that is away says nothing about its bytes
        raise
    except Removed as gone:
        return Check(what=what, ok=True, checkable=False, detail=str(gone))
    except Refusal as refusal:
        return Check(what=what, ok=False, detail=str(refusal))
    except OSError as error:  # a file that is gone or cannot be read is what we are here to find
        return Check(what=what, ok=False, detail=f"{Path(str(error.filename)).name[:12]}…: {error.strerror}")


def _expect(promised: str, found: str, what: str) -> str:
    if promised != found:
        raise Refusal(f"{what} hashes to {found[:12]}…, not to {promised[:12]}…")
    return promised


def _bytes(connection: Connection, blobs: Blobs, digest: str) -> str:
    refuse_removed(connection, [digest])
    return _expect(digest, blobs.hash(digest), "the file")


def _parents(connection: Connection, version: Version) -> str:
    for parent in version.parents:
        query = select(VersionRow.id).where(VersionRow.id == parent.version)
        if connection.execute(query).first() is None:
            raise Refusal(f"parent {parent.version[:12]}… is missing")
    return f"{len(version.parents)} known"


def _receipt(connection: Connection, version: Version) -> str:
    sealed = sealed_receipt(connection, version.receipt)
    if sealed is None:
        raise Refusal("the receipt is missing")
    receipt = unseal(sealed, Receipt)
    _expect(str(version.receipt), receipt.digest, "the receipt")
    if sealed.node != receipt.node:
        raise Refusal(f"the receipt of {receipt.node[:12]}… is signed by {sealed.node[:12]}…")
    made = (receipt.featurizer, receipt.head, receipt.assignment.architecture)
    if made != (version.featurizer, version.head, version.architecture):
        raise Refusal("the receipt is about other weights")
    if tuple(dict.fromkeys(receipt.parents)) != tuple(parent.version for parent in version.parents):
        raise Refusal("the receipt names other parents")
    return f"signed by {sealed.node[:12]}…"


def _average(connection: Connection, blobs: Blobs, version: Version) -> str:
    question = Combination(parents=version.parents, parts="featurizer" if version.head is None else "both")
    ingredients = gather(connection, question, retracted=True)
    for part in ingredients.parts:
        promised = version.featurizer if part == "featurizer" else str(version.head)
        found = ingredients.write(blobs, part, Discard(), cached=False)
        _expect(promised, found, f"the {part} that was computed again")
    return f"computed again from {len(version.parents)} parents, equal to the bit"


class Discard(io.BytesIO):
    """A file that keeps nothing."""

    def write(self, data: object) -> int:
        """Throw the bytes away."""
        return memoryview(data).nbytes  # type: ignore[arg-type]
