"""Checks of signed records, receipts and changes: each is the one that was signed, and the rows made of it agree.

Of receipts that includes the confusion matrices in `evaluations`, and the version that an admitted one made. Of changes
it is who moved an alias, set a tag, reviewed a version or took one back, and whether that stands. An alias's moves are
a chain: each says where the alias pointed before. Version 0.1 did not sign. Once a registry has signed moves, an
unsigned one was not written by the registry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, Import
from ratatouille.exchange.change import Change, Move, Restore, Retract, RetractCounts, Review, Tag
from ratatouille.exchange.confusion import confusion_text
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, check_signature, unseal
from ratatouille.record import canonical_json, sha256
from registry.audit.checking import AuditBatch, NotCheckable, Rules, checks, expect, findings, rows_after
from registry.audit.log import entered, in_log, moves_of_aliases, receipts_entered
from registry.ledger.reviews import reviews_of, standing_of
from registry.ledger.signed_changes import CHANGES, may_return
from registry.schema import AliasRow, ChangeRow, ContributionRow, EvaluationRow, ReviewRow, TagRow, VersionRow
from registry.storage import Storage

CONTRIBUTION_STATES = frozenset({"admitted", "rejected", "duplicate", "retracted"})
Counts = tuple[object, ...]


def look_at_receipts(storage: Storage, after: str) -> AuditBatch:
    """The next contributions."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(ContributionRow), ContributionRow.receipt, after)
        receipts = [row.receipt for row in rows]
        counted, made = _counted(connection, receipts), _made(connection, receipts)
        known = receipts_entered(connection, rows)
    for row in rows:
        found = checks([*_rules(row, counted[row.receipt], made[row.receipt]), in_log(row.receipt, known)])
        batch.findings += findings("receipts", row.receipt, found, made[row.receipt])
        batch.last = row.receipt
    batch.looked = len(rows)
    return batch


def receipt_of(text: str, digest: str) -> tuple[Sealed, Receipt]:
    """The receipt that was signed.

    Raises:
        Refusal: for another receipt, or one that its node did not sign.
        NotCheckable: for one by other software, whose words mean something else now.
    """
    sealed = Sealed.from_json(text)
    check_signature(sealed, Receipt)
    expect(digest, sha256(sealed.body.encode()), "the receipt's digest")
    try:
        receipt = Receipt.from_json(sealed.body)
    except Refusal as refusal:
        raise NotCheckable(f"written by another release: {refusal}") from refusal
    if receipt.to_json() != sealed.body.encode():
        raise NotCheckable("written by another release, in another form")
    if receipt.node != sealed.node:
        raise Refusal(f"the receipt of {receipt.node[:12]}… is signed by {sealed.node[:12]}…")
    return sealed, receipt


def _rules(row: Row[Any], counted: Sequence[Counts], made: Sequence[str]) -> Rules:
    yield "receipt", lambda: f"signed by {receipt_of(row.sealed, row.receipt)[0].node[:12]}…"
    try:
        receipt = receipt_of(row.sealed, row.receipt)[1]
    except Refusal:  # the check above reports it
        return
    yield "columns", lambda: _columns(row, receipt)
    yield "evaluations", lambda: _evaluations(row, receipt, counted, made)
    yield "version", lambda: _version(row, receipt, made)


def _columns(row: Row[Any], receipt: Receipt) -> str:
    if row.state not in CONTRIBUTION_STATES:
        raise Refusal(f"{row.state!r} is no state of a contribution")
    stated = {
        "work_id": receipt.work_id,
        "kind": receipt.assignment.kind,
        "node": receipt.node,
        "featurizer": receipt.featurizer,
        "head": receipt.head,
        "seconds": receipt.seconds,
        "overhead": receipt.overhead,
    }
    if row.state == "admitted":
        stated["task"] = receipt.assignment.task
    for name, value in stated.items():
        expect(value, getattr(row, name), name)
    return "as the receipt says"


def _evaluations(row: Row[Any], receipt: Receipt, counted: Sequence[Counts], made: Sequence[str]) -> str:
    if row.state not in ("admitted", "retracted") and not made:
        expect(0, len(counted), "the number of confusion matrices that count for the history")
        return "none count"
    stated = list(_counts_of(receipt))
    expect(len(stated), len(counted), "the number of confusion matrices")
    for one, other in zip(sorted(stated, key=repr), sorted(counted, key=repr), strict=True):
        if one != other:
            raise Refusal(f"a confusion matrix on {other[-4]}/{other[-3]}/{other[-2]} is not what the receipt counts")
    return f"{len(stated)} as the receipt says"


def _version(row: Row[Any], receipt: Receipt, made: Sequence[str]) -> str:
    wanted = 1 if row.state == "admitted" and receipt.makes_weights else 0
    if len(made) < wanted:
        raise Refusal("the version that it made is missing")
    if made and row.state == "rejected":
        raise Refusal("it was rejected, and there is a version of it")
    return f"{len(made)} made"


def _counts_of(receipt: Receipt) -> Iterator[Counts]:
    work = receipt.assignment
    if isinstance(work, Import | Compare):
        return
    pair = (work.featurizer, work.head) if isinstance(work, Evaluate) else (receipt.featurizer, receipt.head)
    if pair[1] is None:
        return
    where = (*pair, work.task, work.fingerprint, work.trial, work.image_size)
    for one in receipt.evaluations:
        cell = (one.cell.domain, one.cell.split, one.cell.slice)
        yield (*where, *cell, confusion_text(one.confusion))


def _counted(connection: Connection, receipts: Sequence[str]) -> Mapping[str, list[Counts]]:
    row = EvaluationRow
    pair = (row.featurizer, row.head, row.task, row.fingerprint, row.trial, row.image_size)
    query = select(row.receipt, *pair, row.domain, row.split, row.slice, row.confusion)
    found: dict[str, list[Counts]] = defaultdict(list)
    for receipt, *counts in connection.execute(query.where(row.receipt.in_(receipts))):
        found[receipt].append(tuple(counts))
    return found


def _made(connection: Connection, receipts: Sequence[str]) -> Mapping[str, list[str]]:
    query = select(VersionRow.receipt, VersionRow.id).where(VersionRow.receipt.in_(receipts))
    found: dict[str, list[str]] = defaultdict(list)
    for receipt, id in connection.execute(query):
        found[str(receipt)].append(id)
    return found


def look_at_changes(storage: Storage, after: str) -> AuditBatch:
    """The next changes."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(ChangeRow), ChangeRow.number, after)
        known = entered(connection, [row.digest for row in rows])
        for row in rows:
            rules = [("change", partial(_change, row)), ("effect", partial(_effect, connection, row))]
            found = checks([*rules, in_log(row.digest, known)])
            batch.findings += findings("changes", f"{row.kind} {row.subject} ({row.number})", found)
            batch.last = str(row.number)
    batch.looked = len(rows)
    return batch


def look_at_aliases(storage: Storage, after: str) -> AuditBatch:
    """The next moves of aliases."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(AliasRow), AliasRow.number, after)
        signed = select(func.min(AliasRow.number)).where(AliasRow.change.is_not(None))
        first = connection.execute(signed).scalar()
        if not after:
            batch.findings += findings("aliases", "all", checks([("log", partial(moves_of_aliases, connection))]))
        for row in rows:
            rules = [("before", partial(_before, connection, row)), ("signature", partial(_signature, row, first))]
            batch.findings += findings("aliases", f"{row.name} ({row.number})", checks(rules), [row.version])
            batch.last = str(row.number)
    batch.looked = len(rows)
    return batch


def _change(row: Row[Any]) -> str:
    sealed, change = _unseal(row)
    expect(sealed.digest, row.digest, "digest")
    expect(sealed.node, row.node, "node")
    expect(change.subject, row.subject, "subject")
    return f"signed by {row.node[:12]}…"


def _unseal(row: Row[Any]) -> tuple[Sealed, Change]:
    if row.kind not in CHANGES:
        raise Refusal(f"{row.kind!r} is no kind of change")
    sealed = Sealed.from_json(row.sealed)
    return sealed, unseal(sealed, CHANGES[row.kind])


def _effect(connection: Connection, row: Row[Any]) -> str:
    """Check that the rows which a change made are there and agree with it."""
    try:
        change = _unseal(row)[1]
    except Refusal:  # the check above reports it
        return "unknown"
    if isinstance(change, Move):
        moves = connection.execute(select(AliasRow).where(AliasRow.change == row.number)).all()
        move = (change.name, change.version, change.before, change.undo, change.message)
        _only([(one.name, one.version, one.before, one.undo, one.message) for one in moves], move, "move of the alias")
    elif isinstance(change, Tag):
        tags = connection.execute(select(TagRow).where(TagRow.change == row.number)).all()
        _only([(one.name, one.version) for one in tags], (change.name, change.version), "tag")
    elif isinstance(change, Retract):
        if connection.execute(select(VersionRow.id).where(VersionRow.id == change.version)).first() is None:
            raise Refusal("the version that it takes back is missing")
        _stays_retracted(connection, change.version)
    elif isinstance(change, RetractCounts | Restore):
        _of_receipt(connection, row, change)
    elif isinstance(change, Review):
        _review(connection, change.version)
    return "it stands"


def _stays_retracted(connection: Connection, version: str) -> None:
    """A version that was taken back stays so until a signed change lets its receipt return."""
    query = select(VersionRow.receipt, VersionRow.state).where(VersionRow.id == version)
    row = connection.execute(query).one()
    if row.receipt is not None and row.state == "admitted" and not may_return(connection, row.receipt):
        raise Refusal("the version that it takes back stands again, and nobody signed that")


def _of_receipt(connection: Connection, row: Row[Any], change: RetractCounts | Restore) -> None:
    """Counts that were taken back stay so until they are restored; closed questions are their change alone."""
    query = select(ContributionRow.state).where(ContributionRow.receipt == change.receipt)
    state = connection.execute(query).scalar()
    if state is None:
        raise Refusal("the receipt that it is about is missing")
    later = select(ChangeRow.number).where(ChangeRow.subject == change.receipt, ChangeRow.number > row.number)
    if isinstance(change, RetractCounts) and state != "retracted" and connection.execute(later).first() is None:
        raise Refusal(f"the counts that it takes back are {state}")


def _review(connection: Connection, version: str) -> None:
    """The standing review of a version is the one that follows from all its signed reviews."""
    reviews = reviews_of(connection, version)
    row = connection.execute(select(ReviewRow).where(ReviewRow.version == version)).first()
    stands = standing_of(reviews)
    if row is None or stands is None:
        raise Refusal("the standing review of its version is missing")
    said = (stands.number, stands.state, stands.reason, canonical_json(stands.evidence).decode(), stands.by)
    if (row.change, row.state, row.reason, row.evidence, row.by) != said:
        raise Refusal("the standing review of its version is not what follows from the signed ones")


def _only(done: list[tuple[Any, ...]], stated: tuple[Any, ...], what: str) -> None:
    if not done:
        raise Refusal(f"the {what} that it signs is missing")
    if done != [stated]:
        raise Refusal(f"the {what} is not what was signed")


def _before(connection: Connection, row: Row[Any]) -> str:
    query = select(AliasRow.version).where(AliasRow.name == row.name, AliasRow.number < row.number)
    last = connection.execute(query.order_by(AliasRow.number.desc()).limit(1)).scalar()
    expect(last, row.before, "where it pointed before")
    return "as it was"


def _signature(row: Row[Any], first: int | None) -> str:
    if row.change is None and first is not None and row.number > first:
        raise Refusal("nobody signed this move")
    return "signed" if row.change is not None else "by version 0.1, which did not sign"
