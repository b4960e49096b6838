"""How much of the registry one node may take: contributions in an hour, bytes in a day, transfers at a time.

Looked at before a byte of weights is accepted, and counted from rows, so that a restart forgets nothing. A push that
broke off and goes on is counted once. Who is over a quota may push again later: nothing is thrown away.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.receipt import Receipt
from registry.schema import ContributionRow, TransferRow
from registry.settings import Settings, read_settings

HOUR, DAY = 3600.0, 24 * 3600.0


def check_contributions(connection: Connection, receipt: Receipt) -> None:
    """See that the node has not pushed too many receipts lately; this one counts once, however often it comes.

    Raises:
        Unreachable: when it has, and when it may push again.
    """
    now, most = time.time(), read_settings(connection).node_contributions_per_hour
    lately = (
        ContributionRow.node == receipt.node,
        ContributionRow.created > now - HOUR,
        ContributionRow.receipt != receipt.digest,
    )
    count, first = connection.execute(select(func.count(), func.min(ContributionRow.created)).where(*lately)).one()
    if count >= most:
        raise Unreachable(
            f"node {receipt.node[:12]}… has pushed {count} contributions within an hour, and {most} are the most "
            f"(node_contributions_per_hour); push again {_when(now, first and first + HOUR)}"
        )


def let_in(connection: Connection, receipt: Receipt, size: int) -> None:
    """Enter a push whose files have `size` bytes together, unless it is too much.

    Raises:
        Refusal: when so many bytes are never taken.
        Unreachable: when the node has taken its quota, and when there is room again.
    """
    if not size:
        return
    now, settings = time.time(), read_settings(connection)
    connection.execute(delete(TransferRow).where(TransferRow.node == receipt.node, TransferRow.begun < now - DAY))
    row = connection.execute(select(TransferRow).where(TransferRow.receipt == receipt.digest)).first()
    # of a push that goes on, nothing is new; one that comes again after its end is another one
    before, again = (row.bytes, not row.ended) if row is not None else (0, False)
    _check_transfers(connection, receipt, settings, now)
    _check_bytes(connection, receipt, settings, now, max(0, size - before) if again else size)
    values = {"bytes": max(size, before) if again else before + size, "changed": now, "ended": False}
    if row is not None:
        connection.execute(update(TransferRow).where(TransferRow.receipt == receipt.digest).values(**values))
    else:
        connection.execute(insert(TransferRow).values(receipt=receipt.digest, node=receipt.node, begun=now, **values))


def end(connection: Connection, receipt: str) -> None:
    """A push was admitted, rejected or not needed: it is under way no more."""
    connection.execute(update(TransferRow).where(TransferRow.receipt == receipt).values(ended=True))


def _check_transfers(connection: Connection, receipt: Receipt, settings: Settings, now: float) -> None:
    under_way = (
        TransferRow.node == receipt.node,
        TransferRow.ended.is_(False),
        TransferRow.changed > now - settings.stale_seconds,
        TransferRow.receipt != receipt.digest,
    )
    count, first = connection.execute(select(func.count(), func.min(TransferRow.changed)).where(*under_way)).one()
    if count >= settings.node_transfers:
        raise Unreachable(
            f"node {receipt.node[:12]}… has {count} pushes under way, and {settings.node_transfers} are the most "
            "(node_transfers); push again when one of them has ended, or the oldest is given up "
            f"{_when(now, first and first + settings.stale_seconds)}"
        )


def _check_bytes(connection: Connection, receipt: Receipt, settings: Settings, now: float, more: int) -> None:
    most = settings.node_bytes_per_day
    if more > most:
        raise Refusal(f"these weights have {more} bytes, and a node may push {most} in a day (node_bytes_per_day)")
    lately = (TransferRow.node == receipt.node, TransferRow.begun > now - DAY)
    used = connection.execute(select(func.coalesce(func.sum(TransferRow.bytes), 0)).where(*lately)).scalar_one()
    if used + more <= most:
        return
    over = used + more - most
    for row in connection.execute(select(TransferRow.begun, TransferRow.bytes).where(*lately).order_by("begun")):
        over -= row.bytes
        if over <= 0:
            break
    raise Unreachable(
        f"node {receipt.node[:12]}… has pushed {used} bytes within a day, these weights have {more}, and {most} are "
        f"the most (node_bytes_per_day); push again {_when(now, row.begun + DAY)}"
    )


def _when(now: float, moment: float | None) -> str:
    """A moment for people; None means that nobody knows one."""
    if moment is None:
        return "when the maintainers have raised that"
    minutes = max(1, round((moment - now) / 60))
    return f"at {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC (in {minutes} min)"
