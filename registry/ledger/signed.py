"""The append-only list of signed changes: moves of aliases, tags, retractions, closed questions.

A change that comes again (its acknowledgement was lost) changes nothing and is answered as the first time. What a
change does is written beside it in the same transaction, by `releases`, `retraction`, `counts` and `closures`.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, insert, select, update

from ratatouille.exchange.change import CHANGES, Change
from ratatouille.exchange.signing import Sealed
from ratatouille.record import Record
from registry.schema import ChangeRow


def known_change(connection: Connection, sealed: Sealed) -> int | None:
    """The number of this very change, if it came before."""
    return connection.execute(select(ChangeRow.number).where(ChangeRow.digest == sealed.digest)).scalar()


def enter_change(connection: Connection, sealed: Sealed, change: Change) -> int:
    """Append a change; returns its number."""
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
