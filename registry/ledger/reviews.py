"""Reviews: the standing state of each reviewed version, and what follows from it for releases.

Every review is a signed change that is kept for ever. The last decision of a maintainer stands; where there is none,
the last verdict of a gate. A version that was not reviewed has no row: its round ran without admission, or is older.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, or_, select

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Review, ReviewState
from ratatouille.exchange.signing import Sealed
from ratatouille.record import canonical_json
from registry.database import upsert
from registry.ledger.event_log import record_event
from registry.ledger.signed_changes import by, enter_change, known_change
from registry.lists import MOST_ROWS, chunks, clipped, fitting
from registry.records import NOT_TAKEN, ReviewChange, ReviewRecord
from registry.schema import ChangeRow, OfferRow, ParentRow, ReviewRow, TaskRow, VersionRow
from registry.texts import LONGEST_NAME, storable

ReviewQuery = Select[*tuple[Any, ...]]

_REVIEWS: ReviewQuery = select(ChangeRow.number, ChangeRow.sealed, ChangeRow.at).where(
    ChangeRow.subject == bindparam("version"), ChangeRow.kind == "review"
)
_STANDING: ReviewQuery = (
    select(
        ReviewRow.version,
        ChangeRow.number,
        ChangeRow.sealed,
        ChangeRow.at,
        TaskRow.name.label("task_name"),
        OfferRow.name.label("contributor"),
        VersionRow.node.label("maker"),
    )
    .join(ChangeRow, ChangeRow.number == ReviewRow.change)
    .join(VersionRow, VersionRow.id == ReviewRow.version)
    .outerjoin(TaskRow, TaskRow.digest == VersionRow.task)
    .outerjoin(OfferRow, OfferRow.node == VersionRow.node)
)
_VERSIONS: BindParameter[Any] = bindparam("versions", expanding=True)
_STATES = select(ReviewRow.version, ReviewRow.state).where(ReviewRow.version.in_(_VERSIONS))


def enter_review(connection: Connection, sealed: Sealed, review: Review) -> ReviewRecord:
    """Enter a review; returns the one that stands then. A verdict or decision that was the last one changes nothing.

    Raises:
        Refusal: for an unknown version, one that was taken back, and a review without a reason.
    """
    if known_change(connection, sealed) is None:
        _check(connection, review)
        last = _last(reviews_of(connection, review.version), review.by)
        if last is None or _said(last) != (review.state, review.reason, review.evidence, review.round):
            _enter(connection, sealed, review)
    return find_review(connection, review.version)


def _check(connection: Connection, review: Review) -> None:
    short = f"version {review.version[:12]}…"
    if not storable(review.reason, "the reason").strip():
        raise Refusal(f"say why {short} is {review.state}: its contributor will ask")
    storable(review.round or "", "a round's id", LONGEST_NAME)
    state = connection.execute(select(VersionRow.state).where(VersionRow.id == review.version)).scalar()
    if state is None:
        raise Refusal(f"there is no {short}; `ratatouille log` shows those that there are")
    if state != "admitted":
        raise Refusal(f"{short} is {state}, so it enters no average; there is nothing to review")


def _enter(connection: Connection, sealed: Sealed, review: Review) -> None:
    before = connection.execute(select(ReviewRow.by).where(ReviewRow.version == review.version)).scalar()
    number = enter_change(connection, sealed, review)
    if review.by == "maintainer" or before != "maintainer":
        enter_standing(connection, number, review)
    who = "the gate" if review.by == "gate" else by(sealed, review)
    text = f"{review.state} by {who}: {review.reason}"
    record_event(connection, "review", review.version, text, review.round, sealed.digest)


def enter_standing(connection: Connection, number: int, review: Review) -> None:
    """Note that this signed review stands from now on."""
    row = {"version": review.version, "state": review.state, "reason": review.reason, "by": review.by}
    row |= {"evidence": canonical_json(review.evidence).decode()}
    upsert(connection, ReviewRow, row | {"change": number, "at": time.time()})


def reviews_of(connection: Connection, version: str) -> list[ReviewChange]:
    """The signed reviews of a version, latest first; a thousand at most."""
    query = _REVIEWS.order_by(ChangeRow.number.desc()).limit(MOST_ROWS)
    return [ReviewChange(**_signed(row)) for row in connection.execute(query, {"version": version})]


def standing_of(reviews: Sequence[ReviewChange]) -> ReviewChange | None:
    """The one that stands of all reviews of a version, which are latest first."""
    return _last(reviews, "maintainer") or _last(reviews, "gate")


def find_review(connection: Connection, version: str) -> ReviewRecord:
    """The standing review of a version, with all that came before.

    Raises:
        Refusal: for a version that was not reviewed.
    """
    row = connection.execute(_STANDING.where(ReviewRow.version == version)).first()
    if row is None:
        raise Refusal(f"version {version[:12]}… was not reviewed: no round with admission has looked at it")
    return _record(row, history=tuple(reviews_of(connection, version)))


def standing(
    connection: Connection, versions: Sequence[str], after: str = "", limit: int = MOST_ROWS
) -> list[ReviewRecord]:
    """The standing reviews of those of these versions that have one, by version, those after an id."""
    wanted, found = sorted({id for id in versions if id > after}), list[ReviewRecord]()
    for some in chunks(wanted):
        query = _STANDING.where(ReviewRow.version.in_(some)).order_by(ReviewRow.version)
        found += map(_record, connection.execute(query))
        if len(found) >= limit:
            break
    return list(fitting(found[: clipped(limit)], _size))


def reviews(
    connection: Connection, state: str | None, task: str | None, before: int | None, limit: int
) -> list[ReviewRecord]:
    """The standing reviews, latest first, those before a number.

    Args:
        connection: a transaction.
        state: only those that say so.
        task: only those of versions for this task, by name or digest.
        before: the number that the page before ended with.
        limit: at most so many.
    """
    query = _STANDING.order_by(ReviewRow.change.desc()).limit(clipped(limit))
    if state is not None:
        query = query.where(ReviewRow.state == state)
    if task is not None:
        query = query.where(or_(TaskRow.name == task, TaskRow.digest == task))
    if before is not None:
        query = query.where(ReviewRow.change < before)
    return list(fitting(map(_record, connection.execute(query)), _size))


def states_of(connection: Connection, versions: Sequence[str]) -> dict[str, ReviewState]:
    """The standing state of each of these versions that was reviewed."""
    found: dict[str, ReviewState] = {}
    for some in chunks(versions):
        found |= {row.version: row.state for row in connection.execute(_STATES, {"versions": some})}
    return found


def refuse_not_taken(connection: Connection, version: str) -> None:
    """Refuse a version that is quarantined or rejected, and an average that one is in.

    Raises:
        Refusal: when it is.
    """
    above = select(VersionRow.id.label("id")).where(VersionRow.id == version).cte(recursive=True)
    parents = (
        select(ParentRow.parent.label("id"))
        .join(above, above.c.id == ParentRow.child)
        .join(VersionRow, VersionRow.id == ParentRow.child)
        .where(VersionRow.rule == "combine")
    )
    above = above.union(parents)
    query = (
        select(ReviewRow.version, ReviewRow.state)
        .join(above, above.c.id == ReviewRow.version)
        .where(ReviewRow.state.in_(NOT_TAKEN))
        .order_by(ReviewRow.version)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return
    what = f"version {version[:12]}…"
    is_so = f"{what} is" if row.version == version else f"{what} is an average with {row.version[:12]}…, which is"
    raise Refusal(f"{is_so} {row.state}; accept it first: `ratatouille review accept {row.version[:12]} -m why`")


def _last(reviews: Sequence[ReviewChange], by: str) -> ReviewChange | None:
    return next((one for one in reviews if one.by == by), None)


def _said(review: ReviewChange) -> tuple[object, ...]:
    return (review.state, review.reason, review.evidence, review.round)


def _signed(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    """What the signed change of a row says."""
    sealed = Sealed.from_json(row.sealed)
    said = from_json(sealed.body)
    shown = {name: said.get(name) for name in ("state", "reason", "evidence", "by", "round", "author")}
    return {**shown, "number": row.number, "node": sealed.node, "at": row.at}


def _record(row: Row[*tuple[Any, ...]], **more: Any) -> ReviewRecord:
    about = {name: getattr(row, name) for name in ("version", "task_name", "contributor", "maker")}
    return ReviewRecord(**_signed(row), **about, **more)


def _size(record: ReviewRecord) -> int:
    return 1000 + len(record.reason) + 60 * len(record.evidence)
