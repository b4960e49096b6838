"""Checks of versions: the id is the digest of the record, copies and edges agree with it, parents came before children.

`verify` checks one version: by these rules, and its bytes and average by those of `weights`. Averages can be proved,
trainings cannot: a signed receipt says who claims to have trained, and on what.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from ratatouille.errors import Refusal
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.version import Combination, Version
from ratatouille.record import sha256
from ratatouille.weights.architecture import Part
from ratatouille.weights.canonical import size
from registry.audit.checking import AuditBatch, Rules, checks, expect, findings, rows_after
from registry.audit.log import in_log, versions_entered
from registry.audit.signed_records import receipt_of
from registry.audit.weights import bytes_of_row, recomputed
from registry.ledger.definitions import architecture, task
from registry.ledger.revisions import resolve
from registry.lists import chunks
from registry.records import Verification
from registry.schema import BlobRow, ChangeRow, ContributionRow, ParentRow, VersionRow
from registry.storage import Storage


@dataclass(frozen=True)
class VersionFacts:
    """Facts about some versions, from other tables."""

    contributions: Mapping[str, Row[Any]]
    edges: Mapping[str, Sequence[str]]
    numbers: Mapping[str, int]
    """Places in the history, of their parents too."""
    sizes: Mapping[str, int]
    """Lengths of weights."""
    retractions: Mapping[int, str]
    """Kinds of the changes that are named as retractions."""
    expected: Mapping[tuple[str, str | None], Mapping[Part, int]]
    """Architecture and task → lengths of their parts."""
    entered: frozenset[str]
    """Those that the log has."""


def look_at_versions(storage: Storage, after: str) -> AuditBatch:
    """The next versions."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(VersionRow), VersionRow.number, after)
        facts = facts_of(connection, rows)
    for row in rows:
        batch.findings += findings("versions", row.id, checks(rules(row, facts)), [row.id])
        batch.last = str(row.number)
    batch.looked = len(rows)
    return batch


def rules(row: Row[Any], facts: VersionFacts) -> Rules:
    """What must hold of a version, its weights' bytes aside."""
    yield "id", lambda: _id(row)
    yield in_log(row.id, facts.entered)
    try:
        version = Version.from_json(row.record)
    except Refusal as refusal:
        reason = str(refusal)
        yield "record", lambda: _fail(reason)
        return
    yield "columns", lambda: _columns(row, version, facts)
    yield "parents", lambda: _parents(row, version, facts)
    yield "state", lambda: _state(row, facts)
    if version.receipt is not None:
        yield "receipt", lambda: _receipt(row, version, facts)


def facts_of(connection: Connection, rows: Sequence[Row[Any]]) -> VersionFacts:
    """Collect what the rules need, in a few queries."""
    ids, receipts = [row.id for row in rows], [row.receipt for row in rows if row.receipt is not None]
    edges = defaultdict(list)
    query = select(ParentRow.child, ParentRow.parent).where(ParentRow.child.in_(ids))
    for child, parent in connection.execute(query.order_by(ParentRow.child, ParentRow.position)):
        edges[child].append(parent)
    contributions = connection.execute(select(ContributionRow).where(ContributionRow.receipt.in_(receipts))).all()
    known = sorted({*ids, *(parent for parents in edges.values() for parent in parents)})
    numbers = _pairs(connection, VersionRow.id, VersionRow.number, known)
    weights = sorted({digest for row in rows for digest in (row.featurizer, row.head) if digest is not None})
    changes = sorted({row.retraction for row in rows if row.retraction is not None})
    return VersionFacts(
        contributions={row.receipt: row for row in contributions},
        edges=edges,
        numbers=numbers,
        sizes=_pairs(connection, BlobRow.digest, BlobRow.size, weights),
        retractions=_pairs(connection, ChangeRow.number, ChangeRow.kind, changes),
        expected={key: _lengths(connection, *key) for key in {(row.architecture, row.task) for row in rows}},
        entered=versions_entered(connection, ids),
    )


def _id(row: Row[Any]) -> str:
    found = sha256(row.record.encode())
    if found != row.id:
        raise Refusal(f"the record hashes to {found[:12]}…, not to {row.id[:12]}…")
    return str(row.id)


def _columns(row: Row[Any], version: Version, facts: VersionFacts) -> str:
    for name in ("featurizer", "head", "architecture", "task", "receipt"):
        expect(getattr(version, name), getattr(row, name), name)
    expect(version.rule.name, row.rule, "rule")
    for part, length in facts.expected[row.architecture, row.task].items():
        if getattr(row, part) is not None:
            expect(length, facts.sizes.get(getattr(row, part)), f"the {part}'s length")
    if version.receipt is None:
        expect(Combination.of(version).work_id, row.work_id, "work_id")
    return "as the record says"


def _parents(row: Row[Any], version: Version, facts: VersionFacts) -> str:
    named = [parent.version for parent in version.parents]
    for parent in named:
        if parent not in facts.numbers:
            raise Refusal(f"parent {parent[:12]}… is missing")
        if facts.numbers[parent] >= row.number:
            raise Refusal(f"parent {parent[:12]}… came later than its child")
    if list(facts.edges[row.id]) != named:
        raise Refusal("the lineage names other parents than the record")
    return f"{len(named)} known"


def _state(row: Row[Any], facts: VersionFacts) -> str:
    if row.state not in ("admitted", "retracted"):
        raise Refusal(f"{row.state!r} is no state of a version")
    if row.retraction is not None:
        expect("retract", facts.retractions.get(row.retraction), "the kind of the change that took it back")
    if row.state == "retracted" and row.retraction is None:
        raise Refusal("it is retracted, and nobody signed that")
    return str(row.state)


def _receipt(row: Row[Any], version: Version, facts: VersionFacts) -> str:
    contribution = facts.contributions.get(str(version.receipt))
    if contribution is None:
        raise Refusal("the receipt is missing")
    if contribution.state == "rejected":
        raise Refusal("the receipt was rejected")
    sealed, receipt = receipt_of(contribution.sealed, str(version.receipt))
    expect(receipt.node, row.node, "node")
    expect(receipt.work_id, row.work_id, "work_id")
    _same(version, receipt)
    return f"signed by {sealed.node[:12]}…"


def _same(version: Version, receipt: Receipt) -> None:
    made = (receipt.featurizer, receipt.head, receipt.assignment.architecture)
    if made != (version.featurizer, version.head, version.architecture):
        raise Refusal("the receipt is about other weights")
    if tuple(dict.fromkeys(receipt.parents)) != tuple(parent.version for parent in version.parents):
        raise Refusal("the receipt names other parents")
    if receipt.assignment.kind != version.rule.name:
        raise Refusal(f"the receipt is of a {receipt.assignment.kind}, the record of a {version.rule.name}")


def _lengths(connection: Connection, network: str, about: str | None) -> dict[Part, int]:
    """Empty where the definitions cannot be read: another stage says so."""
    try:
        record = architecture(connection, network)
        lengths: dict[Part, int] = {"featurizer": size(record.part("featurizer", 0))}
        if about is not None:
            lengths["head"] = size(record.part("head", len(task(connection, about).classes)))
    except Refusal:
        return {}
    return lengths


def _pairs(connection: Connection, key: Any, value: Any, keys: Sequence[Any]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for some in chunks(keys):
        query = select(key, value).where(key.in_(some))
        found |= {row[0]: row[1] for row in connection.execute(query)}
    return found


def _fail(reason: str) -> str:
    raise Refusal(reason)


def verify(storage: Storage, revision: str) -> Verification:
    """Check one version; no transaction is open while bytes are read."""
    with storage.database.read() as connection:
        id = resolve(connection, revision)
        row = connection.execute(select(VersionRow).where(VersionRow.id == id)).one()
        facts = facts_of(connection, [row])
        weights = select(BlobRow).where(BlobRow.digest.in_([row.featurizer, row.head]))
        blobs = {blob.digest: blob for blob in connection.execute(weights)}
    found = checks(rules(row, facts)) + checks(_of_bytes(storage, row, blobs))
    return Verification(id=id, checks=tuple(found))


def _of_bytes(storage: Storage, row: Row[Any], blobs: dict[str, Row[Any]]) -> Rules:
    for part in ("featurizer", "head"):
        digest = getattr(row, part)
        if digest is not None:
            yield part, partial(bytes_of_row, storage, blobs.get(digest), digest)
    if row.rule == "combine":
        yield "average", partial(recomputed, storage, row)
