"""The rows that the write side writes: contributions, versions with their edges, evaluations, blobs, and their events.

Each function works inside the caller's transaction and checks nothing: `examine` and `publish` did.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Import
from ratatouille.exchange.confusion import confusion_text
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from ratatouille.wording import number_of
from registry.contributions.entitlements import end_transfer
from registry.contributions.examine import Examined
from registry.contributions.membership import release_lease
from registry.database import upsert
from registry.ledger.descendants import fallen
from registry.ledger.event_log import record_event
from registry.ledger.signed_changes import refuse_retracted
from registry.records import Result
from registry.schema import BlobRow, ContributionRow, EvaluationRow, ParentRow, VersionRow
from registry.scores import count_again
from registry.texts import legible

_ONE: BindParameter[Any] = bindparam("one")
_STATE = select(VersionRow.state).where(VersionRow.id == _ONE)
_NEW_VERSION, _NEW_EDGES, _NEW_EVALUATIONS = insert(VersionRow), insert(ParentRow), insert(EvaluationRow)
_NO_EVALUATIONS = delete(EvaluationRow).where(EvaluationRow.receipt == _ONE)


def enter_blob(connection: Connection, digest: str, part: str, size: int) -> None:
    """Write the row that makes a file visible, or visible again."""
    row = {"digest": digest, "part": part, "size": size, "created": time.time(), "collected": None}
    upsert(connection, BlobRow, row, changing=("collected",))


def enter_version(
    connection: Connection,
    version: Version,
    work_id: str,
    message: str,
    seconds: float,
    round: str | None = None,
    node: str | None = None,
) -> None:
    """Write a version, its edges and its event."""
    before = connection.execute(_STATE, {"one": version.id}).scalar()
    if before is not None:
        if before != "admitted":  # it was retracted, and the same answer was admitted anew
            values = {"state": "admitted", "retraction": None, "replacement": None}
            connection.execute(update(VersionRow).where(VersionRow.id == version.id).values(**values))
            text = "admitted again after its retraction"
            record_event(connection, "version", version.id, text, round, version.receipt)
        return
    row = {name: getattr(version, name) for name in ("id", "featurizer", "head", "architecture", "task", "receipt")} | {
        "record": version.to_json().decode(),
        "rule": version.rule.name,
        "state": "admitted",
        "work_id": work_id,
        "node": node,
        "round": round,
        "message": message,
        "seconds": seconds,
        "created": time.time(),
    }
    connection.execute(_NEW_VERSION, row)
    edges = [
        {"child": version.id, "position": position, "parent": parent.version}
        for position, parent in enumerate(version.parents)
    ]
    if edges:
        connection.execute(_NEW_EDGES, edges)
    text = (
        f"{version.rule.name} of {number_of(len(version.parents), 'parent')}" if version.parents else version.rule.name
    )
    record_event(connection, "version", version.id, f"{text}: {message}" if message else text, round, version.receipt)


def check_parents(connection: Connection, version: Version) -> None:
    """Check, in the transaction that enters a version, that none of its parents was retracted meanwhile.

    Raises:
        Refusal: naming the first that was.
    """
    retracted = fallen(connection, {parent.version for parent in version.parents})
    if retracted:
        raise Refusal(f"parent {retracted[0][:12]}… was retracted a moment ago")


def admit(connection: Connection, sealed: Sealed, examined: Examined) -> None:
    """Make a contribution the answer to its question.

    Raises:
        Refusal: when it, or one of its parents, was retracted a moment ago.
    """
    receipt, version = examined.receipt, examined.version
    refuse_retracted(connection, receipt.digest)
    write_contribution(connection, sealed, receipt, "admitted", "")
    if version is not None:
        check_parents(connection, version)
        message = message_of(receipt)
        enter_version(connection, version, receipt.work_id, message, receipt.seconds, receipt.round, receipt.node)
    else:
        compared = receipt.comparison
        text = (
            f"{number_of(len(compared.networks), 'network')} compared"
            if compared
            else number_of(len(receipt.evaluations), "cell")
        )
        text = f"{text} by {receipt.node[:12]}…"
        record_event(connection, "evaluation", receipt.work_id, text, receipt.round, receipt.digest)
    _write_evaluations(connection, examined)
    release_lease(connection, receipt.work_id, receipt.node)


def admit_beside(connection: Connection, sealed: Sealed, examined: Examined) -> None:
    """Enter a version from another registry whose question is answered here already; that answer stays the answer."""
    receipt, version = examined.receipt, examined.version
    assert version is not None, "without a version nothing would be beside the answer"
    write_contribution(connection, sealed, receipt, "duplicate", "")
    message = message_of(receipt)
    enter_version(connection, version, receipt.work_id, message, receipt.seconds, receipt.round, receipt.node)
    _write_evaluations(connection, examined)


def keep_rejected(connection: Connection, sealed: Sealed, receipt: Receipt, reason: str) -> None:
    """Keep a refused contribution with its reason, unless something else became of it before."""
    row = ContributionRow.receipt == receipt.digest
    before = connection.execute(select(ContributionRow.state, ContributionRow.reason).where(row)).first()
    if before is not None and (before.state != "rejected" or before.reason == reason):
        return
    write_contribution(connection, sealed, receipt, "rejected", reason)
    text = f"{receipt.assignment.kind} by {receipt.node[:12]}… rejected: {reason}"
    record_event(connection, "rejected", receipt.work_id, text, about=receipt.digest)


def message_of(receipt: Receipt) -> str:
    """The message of a contribution's version: its note, or the source of an import."""
    work = receipt.assignment
    return receipt.note or (work.source if isinstance(work, Import) else "")


def _write_evaluations(connection: Connection, examined: Examined) -> None:
    receipt, work = examined.receipt, examined.receipt.assignment
    if isinstance(work, Import | Compare) or examined.evaluated is None:
        return
    connection.execute(_NO_EVALUATIONS, {"one": receipt.digest})
    shared = {
        "receipt": receipt.digest,
        "featurizer": examined.evaluated[0],
        "head": examined.evaluated[1],
        "task": work.task,
        "fingerprint": work.fingerprint,
        "trial": work.trial,
        "image_size": work.image_size,
    }
    rows = [
        {**shared, **evaluation.cell.model_dump(), "confusion": confusion_text(evaluation.confusion)}
        for evaluation in receipt.evaluations
    ]
    if rows:
        connection.execute(_NEW_EVALUATIONS, rows)
        count_again(connection, receipt.digest)


def write_contribution(connection: Connection, sealed: Sealed, receipt: Receipt, state: str, reason: str) -> None:
    """Write what became of a receipt; its transfer is over."""
    end_transfer(connection, receipt.digest)
    values = {
        name: getattr(receipt, name) for name in ("work_id", "node", "featurizer", "head", "seconds", "overhead")
    } | {
        "receipt": receipt.digest,
        "kind": receipt.assignment.kind,
        "state": state,
        "reason": legible(reason),
        "sealed": sealed.to_json().decode(),
        # a rejected receipt may name a task that does not exist
        "task": receipt.assignment.task if state == "admitted" else None,
        "created": time.time(),
    }
    upsert(connection, ContributionRow, values)


def keep_duplicate(connection: Connection, sealed: Sealed, receipt: Receipt, known: Result) -> None:
    """Keep a later answer to an answered question, and say whether the bits are the same."""
    row = select(ContributionRow.state).where(ContributionRow.receipt == receipt.digest)
    if connection.execute(row).scalar() in ("admitted", "duplicate"):
        return
    write_contribution(connection, sealed, receipt, "duplicate", "")
    bits = "the same" if (receipt.featurizer, receipt.head) == (known.featurizer, known.head) else "other"
    text = f"{receipt.assignment.kind} by {receipt.node[:12]}… was answered before, with {bits} bits"
    record_event(connection, "duplicate", receipt.work_id, text, about=receipt.digest)
    release_lease(connection, receipt.work_id, receipt.node)
