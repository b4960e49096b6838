"""The append-only list of signed changes: moves of aliases, tags, retractions.

A change that comes again (its acknowledgement was lost) changes nothing and is answered as the first time. What a
change does is written beside it in the same transaction, by `releases` and `retraction`.
"""

from __future__ import annotations

import time

from sqlalchemy import Connection, insert, select

from ratatouille.exchange.change import Change, Retract
from ratatouille.exchange.signing import Sealed
from registry.schema import ChangeRow


def known_change(connection: Connection, sealed: Sealed) -> int | None:
    """The number of this very change, if it came before."""
    return connection.execute(select(ChangeRow.number).where(ChangeRow.digest == sealed.digest)).scalar()


def enter_change(connection: Connection, sealed: Sealed, change: Change) -> int:
    """Append a change; returns its number."""
    row = insert(ChangeRow).values(
        digest=sealed.digest,
        kind=change.kind,
        subject=change.version if isinstance(change, Retract) else change.name,
        node=sealed.node,
        sealed=sealed.to_json().decode(),
        at=time.time(),
    )
    return int(connection.execute(row.returning(ChangeRow.number)).scalar_one())


def by(sealed: Sealed, change: Change) -> str:
    """Who made a change, for a line of the log."""
    return f"{change.author} ({sealed.node[:12]}…)" if change.author else f"{sealed.node[:12]}…"
