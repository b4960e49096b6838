"""Contributions: each receipt is the one that was signed, and what was copied out of it is what it says.

That includes the confusion matrices in `evaluations`, and the version that an admitted receipt made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, Import
from ratatouille.exchange.confusion import confusion_text
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, check_signature
from ratatouille.record import sha256
from registry.audit.look import Batch, NotCheckable, Rules, checks, expect, findings, rows_after
from registry.schema import ContributionRow, EvaluationRow, VersionRow
from registry.storage import Storage

STATES = frozenset({"admitted", "rejected", "duplicate", "retracted"})
Counts = tuple[object, ...]


def look(storage: Storage, after: str) -> Batch:
    """The next contributions."""
    batch = Batch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(ContributionRow), ContributionRow.receipt, after)
        receipts = [row.receipt for row in rows]
        counted, made = _counted(connection, receipts), _made(connection, receipts)
    for row in rows:
        found = checks(_rules(row, counted[row.receipt], made[row.receipt]))
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
    except Refusal:  # it was said above
        return
    yield "columns", lambda: _columns(row, receipt)
    yield "evaluations", lambda: _evaluations(row, receipt, counted, made)
    yield "version", lambda: _version(row, receipt, made)


def _columns(row: Row[Any], receipt: Receipt) -> str:
    if row.state not in STATES:
        raise Refusal(f"{row.state!r} is no state of a contribution")
    said = {
        "work_id": receipt.work_id,
        "kind": receipt.assignment.kind,
        "node": receipt.node,
        "featurizer": receipt.featurizer,
        "head": receipt.head,
        "seconds": receipt.seconds,
        "overhead": receipt.overhead,
    }
    if row.state == "admitted":
        said["task"] = receipt.assignment.task
    for name, value in said.items():
        expect(value, getattr(row, name), name)
    return "as the receipt says"


def _evaluations(row: Row[Any], receipt: Receipt, counted: Sequence[Counts], made: Sequence[str]) -> str:
    if row.state not in ("admitted", "retracted") and not made:
        expect(0, len(counted), "the number of confusion matrices that count for the history")
        return "none count"
    said = list(_said(receipt))
    expect(len(said), len(counted), "the number of confusion matrices")
    for one, other in zip(sorted(said, key=repr), sorted(counted, key=repr), strict=True):
        if one != other:
            raise Refusal(f"a confusion matrix on {other[-4]}/{other[-3]}/{other[-2]} is not what the receipt counts")
    return f"{len(said)} as the receipt says"


def _version(row: Row[Any], receipt: Receipt, made: Sequence[str]) -> str:
    wanted = 1 if row.state == "admitted" and receipt.makes_weights else 0
    if len(made) < wanted:
        raise Refusal("the version that it made is missing")
    if made and row.state == "rejected":
        raise Refusal("it was rejected, and there is a version of it")
    return f"{len(made)} made"


def _said(receipt: Receipt) -> Iterator[Counts]:
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
