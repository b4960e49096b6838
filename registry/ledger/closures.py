"""Questions that members have closed for themselves: a signed `Close` stands until the same key signs a `Reopen`.

The changes themselves are the state: the last one by a key about a question says whether it is closed. So a closed
question is not answered by that key again, while another holder of the same data may answer it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from sqlalchemy import BindParameter, Connection, and_, bindparam, exists, func, select, update
from sqlalchemy.orm import aliased

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Close, Reopen
from ratatouille.exchange.signing import Sealed
from registry.ledger.chronicle import record_event
from registry.ledger.sequence import check_follows
from registry.ledger.signed import by, enter_change, known_change
from registry.lists import chunks
from registry.schema import ChangeRow, LeaseRow

KINDS = ("close", "reopen")

_QUESTIONS: BindParameter[Any] = bindparam("questions", expanding=True)
_later = aliased(ChangeRow)
_OVERRULED = exists().where(
    and_(
        _later.subject == ChangeRow.subject,
        _later.node == ChangeRow.node,
        _later.number > ChangeRow.number,
        _later.kind.in_(KINDS),
    )
)
_STANDING = (
    select(ChangeRow.subject, ChangeRow.node, ChangeRow.sealed)
    .where(ChangeRow.subject.in_(_QUESTIONS), ChangeRow.kind == "close", ~_OVERRULED)
    .order_by(ChangeRow.number)
)
_LAST = (
    select(ChangeRow.kind)
    .where(ChangeRow.subject == bindparam("question"), ChangeRow.node == bindparam("who"), ChangeRow.kind.in_(KINDS))
    .order_by(ChangeRow.number.desc())
    .limit(1)
)
_LAST_SEALED = _LAST.with_only_columns(ChangeRow.sealed)
_SIGNED: TypeAdapter[Close | Reopen] = TypeAdapter(Annotated[Close | Reopen, Field(discriminator="kind")])
_COUNT = select(func.count()).where(ChangeRow.kind.in_(KINDS))


def close(connection: Connection, sealed: Sealed, change: Close) -> None:
    """Close a question for who signs; closing it again changes nothing. A lease of theirs on it ends.

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
    record_event(connection, "closed", change.question, f"{text}: {change.message}" if change.message else text)


def reopen(connection: Connection, sealed: Sealed, change: Reopen) -> None:
    """Open a question again for who signs; opening what is open changes nothing.

    Raises:
        Unreachable: when the key has signed something later about this question.
    """
    if known_change(connection, sealed) is not None or not is_closed(connection, change.question, sealed.node):
        return
    _check_later(connection, sealed, change)
    enter_change(connection, sealed, change)
    text = f"opened again by {by(sealed, change)}"
    record_event(connection, "reopened", change.question, f"{text}: {change.message}" if change.message else text)


def _check_later(connection: Connection, sealed: Sealed, change: Close | Reopen) -> None:
    """A change that somebody kept, and that changed nothing when it was signed, does nothing later either."""
    last = connection.execute(_LAST_SEALED, {"question": change.question, "who": sealed.node}).scalar()
    if last is not None:
        at = _SIGNED.validate_json(Sealed.from_json(last).body).at
        check_follows(change.kind, sealed.node, change.at, at, time.time())


def is_closed(connection: Connection, work_id: str, node: str) -> bool:
    """Whether this key has closed this question."""
    return connection.execute(_LAST, {"question": work_id, "who": node}).scalar() == "close"


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
        rows = connection.execute(_STANDING, {"questions": some})
        found += [Sealed.from_json(row.sealed) for row in rows]
    return found


def count_closures(connection: Connection) -> int:
    """A number that grows whenever a question is closed or opened."""
    return int(connection.execute(_COUNT).scalar_one())
