"""Receipts that were taken back: none of them returns by being pushed again, unless somebody signed that it may.

A `Restore` after the retraction lets the receipt come again; the history shows who wanted that, and why.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Restore
from ratatouille.exchange.signing import Sealed
from registry.ledger.chronicle import record_event
from registry.ledger.sequence import TOLERANCE
from registry.ledger.signed import by, enter_change, known_change
from registry.schema import ChangeRow, ContributionRow, VersionRow

_RECEIPT: BindParameter[Any] = bindparam("receipt")
_CONTRIBUTION = select(ContributionRow.state, ContributionRow.work_id).where(ContributionRow.receipt == _RECEIPT)
_OF_VERSION = (
    select(func.max(ChangeRow.number))
    .join(VersionRow, VersionRow.id == ChangeRow.subject)
    .where(VersionRow.receipt == _RECEIPT, ChangeRow.kind == "retract")
)
_OF_COUNTS = select(func.max(ChangeRow.number)).where(ChangeRow.subject == _RECEIPT, ChangeRow.kind == "retract_counts")
_RESTORED = select(func.max(ChangeRow.number)).where(ChangeRow.subject == _RECEIPT, ChangeRow.kind == "restore")

_AT = select(ChangeRow.at).where(ChangeRow.number == bindparam("number"))


def restore(connection: Connection, sealed: Sealed, change: Restore) -> None:
    """Let a receipt that was taken back come again; once more changes nothing.

    Raises:
        Refusal: for a receipt that is unknown, or was not taken back, or only after this was signed.
    """
    if known_change(connection, sealed) is not None:
        return
    row = connection.execute(_CONTRIBUTION, {"receipt": change.receipt}).first()
    if row is None or row.state != "retracted":
        raise Refusal(f"receipt {change.receipt[:12]}… was not taken back here; there is nothing to restore")
    if may_return(connection, change.receipt):
        return
    if change.at < _taken_at(connection, change.receipt) - TOLERANCE:
        raise Refusal(
            f"this was signed before receipt {change.receipt[:12]}… was taken back, so it says nothing about that; "
            "restore it anew"
        )
    enter_change(connection, sealed, change)
    text = f"receipt {change.receipt[:12]}… may come again, says {by(sealed, change)}: {change.message}"
    record_event(connection, "restore", row.work_id, text)


def may_return(connection: Connection, receipt: str) -> bool:
    """Whether a receipt stands, or somebody signed after its retraction that it may come again."""
    taken = [connection.execute(query, {"receipt": receipt}).scalar() or 0 for query in (_OF_VERSION, _OF_COUNTS)]
    restored = connection.execute(_RESTORED, {"receipt": receipt}).scalar() or 0
    return int(restored) >= int(max(taken))


def _taken_at(connection: Connection, receipt: str) -> float:
    """When a receipt was taken back, by the registry's clock; 0 where no change says so."""
    taken = [connection.execute(query, {"receipt": receipt}).scalar() or 0 for query in (_OF_VERSION, _OF_COUNTS)]
    return float(connection.execute(_AT, {"number": max(taken)}).scalar() or 0.0)


def refuse_retracted(connection: Connection, receipt: str) -> None:
    """Refuse a receipt that was taken back.

    Raises:
        Refusal: when it was, and nobody restored it.
    """
    row = connection.execute(_CONTRIBUTION, {"receipt": receipt}).first()
    if row is not None and row.state == "retracted" and not may_return(connection, receipt):
        raise Refusal(
            f"receipt {receipt[:12]}… was retracted, and does not come back by being pushed again; answer the question "
            f"anew, or have a maintainer sign that it may come again: `ratatouille retract {receipt} --undo -m why`"
        )
