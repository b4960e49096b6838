"""Signed changes: the append-only list of them, their order, and the two kinds that are read from this list itself.

A change that comes again (its acknowledgement was lost) changes nothing and is answered as the first time. What a
change does is written beside it in the same transaction, by `releases` and `registry.retraction`. Two kinds have no
other row:

- A `Close` of a question stands until the same key signs a `Reopen`. That key does not answer the question again, while
  another holder of the same data may.
- A `Restore` after a retraction lets the receipt come again. No other retracted receipt returns by being pushed again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import BindParameter, Connection, and_, bindparam, exists, func, insert, select, update
from sqlalchemy.orm import aliased

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.change import VERSION_CHANGES, Change, Close, Reopen, Restore
from ratatouille.exchange.log_head import LOG_CHANGES
from ratatouille.exchange.member_changes import MEMBER_CHANGES
from ratatouille.exchange.signing import Sealed
from ratatouille.record import Record
from registry.ledger.event_log import record_event
from registry.ledger.members.standing import refuse_revoked, refuse_work_of_others
from registry.lists import chunks
from registry.schema import ChangeRow, ContributionRow, LeaseRow, VersionRow

CHANGES: Mapping[str, type[Change]] = {
    one.model_fields["kind"].default: one for one in (*VERSION_CHANGES, *MEMBER_CHANGES, *LOG_CHANGES)
}
"""What each kind of change is, by the name in its record."""
TOLERANCE = 300.0
"""Seconds by which the clocks of two machines that are set may differ."""


def follows(issued: float, last: float, now: float) -> bool:
    """Whether a record that was signed at `issued` comes after the one that was signed at `last`.

    Both are by the signer's clock, which may be wrong; `now` is the registry's. A clock that was ahead and was put
    right is believed: its last record lies far in the future, and the new one was signed about now.
    """
    return issued > last or (last > now + TOLERANCE and abs(issued - now) < TOLERANCE)


def check_follows(what: str, node: str, issued: float, last: float, now: float) -> None:
    """Refuse a record that was signed before the last one.

    Raises:
        Unreachable: since a clock that was put back passes that moment again.
    """
    if not follows(issued, last, now):
        raise Unreachable(
            f"this {what} of node {node[:12]}… was signed {max(0.0, last - issued):.0f} s before the last one; if the "
            "node's clock was put back, set it right"
        )


def known_change(connection: Connection, sealed: Sealed) -> int | None:
    """The number of this very change, if it came before."""
    return connection.execute(select(ChangeRow.number).where(ChangeRow.digest == sealed.digest)).scalar()


def enter_change(connection: Connection, sealed: Sealed, change: Change) -> int:
    """Append a change; returns its number.

    Raises:
        Refusal: for a key that was revoked.
    """
    refuse_revoked(connection, sealed.node)
    row = insert(ChangeRow).values(
        digest=sealed.digest,
        kind=change.kind,
        subject=change.subject,
        node=sealed.node,
        sealed=sealed.to_json().decode(),
        at=time.time(),
    )
    return int(connection.execute(row.returning(ChangeRow.number)).scalar_one())


def keep_outcome(connection: Connection, number: int, outcome: Record) -> None:
    """Keep what a change did, so that it is answered the same whenever it comes again."""
    row = update(ChangeRow).where(ChangeRow.number == number)
    connection.execute(row.values(outcome=outcome.to_json().decode()))


def author_of(kind: str, sealed: Sealed) -> str:
    """How the signer of a change is called."""
    return CHANGES[kind].from_json(sealed.body).author


def by(sealed: Sealed, change: Change) -> str:
    """Who made a change, for a line of the log."""
    return f"{change.author} ({sealed.node[:12]}…)" if change.author else f"{sealed.node[:12]}…"


CLOSURES = ("close", "reopen")

_QUESTIONS: BindParameter[Any] = bindparam("questions", expanding=True)
_later = aliased(ChangeRow)
_OVERRULED = exists().where(
    and_(
        _later.subject == ChangeRow.subject,
        _later.node == ChangeRow.node,
        _later.number > ChangeRow.number,
        _later.kind.in_(CLOSURES),
    )
)
_CLOSED = (
    select(ChangeRow.subject, ChangeRow.node, ChangeRow.sealed)
    .where(ChangeRow.subject.in_(_QUESTIONS), ChangeRow.kind == "close", ~_OVERRULED)
    .order_by(ChangeRow.number)
)
_LAST_CLOSURE = (
    select(ChangeRow.kind)
    .where(ChangeRow.subject == bindparam("question"), ChangeRow.node == bindparam("who"), ChangeRow.kind.in_(CLOSURES))
    .order_by(ChangeRow.number.desc())
    .limit(1)
)
_LAST_CLOSURE_SEALED = _LAST_CLOSURE.with_only_columns(ChangeRow.sealed)
_CLOSURE: TypeAdapter[Close | Reopen] = TypeAdapter(Annotated[Close | Reopen, Field(discriminator="kind")])
_CLOSURE_COUNT = select(func.count()).where(ChangeRow.kind.in_(CLOSURES))


def close(connection: Connection, sealed: Sealed, change: Close) -> None:
    """Close a question for the signer, whose lease on it ends; closing it again changes nothing.

    Raises:
        Unreachable: when the key has signed something later about this question.
    """
    if known_change(connection, sealed) is not None or is_closed(connection, change.question, sealed.node):
        return
    _check_later(connection, sealed, change)
    enter_change(connection, sealed, change)
    mine = (LeaseRow.work_id == change.question, LeaseRow.node == sealed.node)
    now = time.time()  # the row stays: a lease that was signed before says nothing, after a reopening too
    connection.execute(update(LeaseRow).where(*mine).values(expires=now, released=now))
    text = f"closed by {by(sealed, change)}, who does not answer it any more"
    text = f"{text}: {change.message}" if change.message else text
    record_event(connection, "closed", change.question, text, about=sealed.digest)


def reopen(connection: Connection, sealed: Sealed, change: Reopen) -> None:
    """Open a question again for the signer; opening an open one changes nothing.

    Raises:
        Unreachable: when the key has signed something later about this question.
    """
    if known_change(connection, sealed) is not None or not is_closed(connection, change.question, sealed.node):
        return
    _check_later(connection, sealed, change)
    enter_change(connection, sealed, change)
    text = f"opened again by {by(sealed, change)}"
    text = f"{text}: {change.message}" if change.message else text
    record_event(connection, "reopened", change.question, text, about=sealed.digest)


def _check_later(connection: Connection, sealed: Sealed, change: Close | Reopen) -> None:
    """Refuse a replayed change: one that was signed before the last one does nothing later either."""
    last = connection.execute(_LAST_CLOSURE_SEALED, {"question": change.question, "who": sealed.node}).scalar()
    if last is not None:
        at = _CLOSURE.validate_json(Sealed.from_json(last).body).at
        check_follows(change.kind, sealed.node, change.at, at, time.time())


def is_closed(connection: Connection, work_id: str, node: str) -> bool:
    """Whether this key has closed this question."""
    return connection.execute(_LAST_CLOSURE, {"question": work_id, "who": node}).scalar() == "close"


def refuse_closed(connection: Connection, work_id: str, node: str) -> None:
    """Refuse what would be an answer by a key to a question that it has closed.

    Raises:
        Refusal: for a closed question.
    """
    if is_closed(connection, work_id, node):
        raise Refusal(
            f"key {node[:12]}… has closed question {work_id[:12]}…, whose answer it withdrew; "
            f"`ratatouille withdraw {work_id[:12]} --reopen` opens it again"
        )


def closures(connection: Connection, work_ids: Sequence[str]) -> list[Sealed]:
    """The signed closures that stand of these questions."""
    found: list[Sealed] = []
    for some in chunks(list(dict.fromkeys(work_ids))):
        rows = connection.execute(_CLOSED, {"questions": some})
        found += [Sealed.from_json(row.sealed) for row in rows]
    return found


def count_closures(connection: Connection) -> int:
    """A number that grows whenever a question is closed or opened."""
    return int(connection.execute(_CLOSURE_COUNT).scalar_one())


_RECEIPT: BindParameter[Any] = bindparam("receipt")
_CONTRIBUTION = select(ContributionRow.state, ContributionRow.work_id).where(ContributionRow.receipt == _RECEIPT)
_OF_VERSION = (
    select(func.max(ChangeRow.number))
    .join(VersionRow, VersionRow.id == ChangeRow.subject)
    .where(VersionRow.receipt == _RECEIPT, ChangeRow.kind == "retract")
)
_OF_COUNTS = select(func.max(ChangeRow.number)).where(ChangeRow.subject == _RECEIPT, ChangeRow.kind == "retract_counts")
_RESTORED = select(func.max(ChangeRow.number)).where(ChangeRow.subject == _RECEIPT, ChangeRow.kind == "restore")

_TAKEN = select(ChangeRow.at, ChangeRow.node).where(ChangeRow.number == bindparam("number"))


def restore(connection: Connection, sealed: Sealed, change: Restore) -> None:
    """Let a receipt that was taken back come again; once more changes nothing.

    Raises:
        Refusal: for a receipt that is unknown, or was not taken back, or only after this was signed, or by somebody
            else, where no maintainer calls.
    """
    if known_change(connection, sealed) is not None:
        return
    row = connection.execute(_CONTRIBUTION, {"receipt": change.receipt}).first()
    if row is None or row.state != "retracted":
        raise Refusal(f"receipt {change.receipt[:12]}… was not taken back here; there is nothing to restore")
    if may_return(connection, change.receipt):
        return
    taken_at, by_whom = _taken(connection, change.receipt)
    refuse_work_of_others(connection, sealed.node, by_whom, f"the retraction of receipt {change.receipt[:12]}…")
    if change.at < taken_at - TOLERANCE:
        raise Refusal(
            f"this was signed before receipt {change.receipt[:12]}… was taken back, so it says nothing about that; "
            "restore it anew"
        )
    enter_change(connection, sealed, change)
    text = f"receipt {change.receipt[:12]}… may come again, says {by(sealed, change)}: {change.message}"
    record_event(connection, "restore", row.work_id, text, about=sealed.digest)


def may_return(connection: Connection, receipt: str) -> bool:
    """Whether a receipt stands, or a `Restore` was signed after its retraction."""
    taken = [connection.execute(query, {"receipt": receipt}).scalar() or 0 for query in (_OF_VERSION, _OF_COUNTS)]
    restored = connection.execute(_RESTORED, {"receipt": receipt}).scalar() or 0
    return int(restored) >= int(max(taken))


def _taken(connection: Connection, receipt: str) -> tuple[float, str | None]:
    """When a receipt was taken back, by the registry's clock, and by which key; 0 and None where no change says so."""
    taken = [connection.execute(query, {"receipt": receipt}).scalar() or 0 for query in (_OF_VERSION, _OF_COUNTS)]
    row = connection.execute(_TAKEN, {"number": max(taken)}).first()
    return (0.0, None) if row is None else (row.at, row.node)


def refuse_retracted(connection: Connection, receipt: str) -> None:
    """Refuse a receipt that was taken back.

    Raises:
        Refusal: when it was, and no `Restore` followed.
    """
    row = connection.execute(_CONTRIBUTION, {"receipt": receipt}).first()
    if row is not None and row.state == "retracted" and not may_return(connection, receipt):
        raise Refusal(
            f"receipt {receipt[:12]}… was retracted, and does not come back by being pushed again; answer the question "
            f"anew, or have a maintainer sign that it may come again: `ratatouille retract {receipt} --undo -m why`"
        )
