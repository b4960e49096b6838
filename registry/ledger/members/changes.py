"""Checks of a signed change of members, and its entry: it is kept for ever, and an event says what was done."""

from __future__ import annotations

import time

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import MemberChange
from ratatouille.exchange.session import clock_problem
from ratatouille.exchange.signing import Sealed
from registry.ledger.event_log import record_event
from registry.ledger.signed_changes import by, enter_change
from registry.lists import clipped
from registry.records import Event
from registry.schema import EventRow
from registry.settings import read_settings

EVENT = "member"
"""Kind of the events about members."""


def member_changes(connection: Connection, before: int | None, limit: int) -> list[Event]:
    """What was changed about members, the latest first."""
    query = select(EventRow.__table__).where(EventRow.kind == EVENT).order_by(EventRow.number.desc())
    if before is not None:
        query = query.where(EventRow.number < before)
    return [Event.model_validate(dict(row)) for row in connection.execute(query.limit(clipped(limit))).mappings()]


def check_change(connection: Connection, change: MemberChange) -> None:
    """Check that a change was signed for this registry, about now.

    Raises:
        Refusal: for another registry, and for a clock that is wrong.
    """
    check_registry(connection, change.registry, "change")
    check_clock(change.at)


def check_registry(connection: Connection, said: str, what: str) -> None:
    """Refuse what was made for another registry.

    Raises:
        Refusal: for another id than this registry's.
    """
    own = read_settings(connection).registry
    if said != own:
        raise Refusal(
            f"this {what} is for another registry ({said[:8]}…), and this one is {str(own)[:8]}…; check the address"
        )


def check_clock(at: float) -> None:
    """Refuse what was signed by a clock that is wrong.

    Raises:
        Refusal: saying by how much, and in which direction.
    """
    if problem := clock_problem(at, time.time()):
        raise Refusal(problem)


def keep(connection: Connection, sealed: Sealed, change: MemberChange, what: str) -> None:
    """Keep a change, and write an event that says what was done, by whom and why."""
    enter_change(connection, sealed, change)
    text = f"{what} by {by(sealed, change)}"
    text = f"{text}: {change.message}" if change.message else text
    record_event(connection, EVENT, change.subject, text, about=sealed.digest)
