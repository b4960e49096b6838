"""Quotas of a node: contributions in an hour, bytes in a day, transfers at a time.

Looked at before a byte of weights is accepted, and counted from rows, so that a restart forgets nothing. A push that
broke off and goes on is counted once. Who is over a quota may push again later: nothing is thrown away.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, case, delete, func, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.receipt import Receipt
from registry.database import upsert
from registry.schema import ContributionRow, TransferRow
from registry.settings import Settings, read_settings

HOUR, DAY = 3600.0, 24 * 3600.0

_WHO: BindParameter[Any] = bindparam("who")
_THIS: BindParameter[Any] = bindparam("this")
_SINCE: BindParameter[Any] = bindparam("since")
_CONTRIBUTIONS = select(func.count(), func.min(ContributionRow.created)).where(
    ContributionRow.node == _WHO, ContributionRow.created > _SINCE, ContributionRow.receipt != _THIS
)
_FORGET = delete(TransferRow).where(TransferRow.node == _WHO, TransferRow.begun < _SINCE)
_TRANSFER = select(TransferRow).where(TransferRow.receipt == _THIS)
_END = update(TransferRow).where(TransferRow.receipt == _THIS).values(ended=True)
_UNDER_WAY = and_(TransferRow.ended.is_(False), TransferRow.changed > bindparam("stale"), TransferRow.receipt != _THIS)
_TRANSFERS = select(
    func.coalesce(func.sum(case((_UNDER_WAY, 1), else_=0)), 0).label("under_way"),
    func.min(case((_UNDER_WAY, TransferRow.changed))).label("first"),
    func.coalesce(func.sum(case((_UNDER_WAY, TransferRow.bytes), else_=0)), 0).label("coming"),
    func.coalesce(func.sum(TransferRow.bytes), 0).label("bytes"),
).where(TransferRow.node == _WHO)
"""How many other pushes of a node are under way, since when the oldest, and the bytes of all that is not forgotten."""
_BY_AGE = select(TransferRow.begun, TransferRow.bytes).where(TransferRow.node == _WHO).order_by(TransferRow.begun)


def check_contributions(connection: Connection, receipt: Receipt) -> None:
    """See that the node has not pushed too many receipts lately; this one counts once, however often it comes.

    Raises:
        Unreachable: when it has, and when it may push again.
    """
    now, most = time.time(), read_settings(connection).node_contributions_per_hour
    of_hour = {"who": receipt.node, "since": now - HOUR, "this": receipt.digest}
    count, first = connection.execute(_CONTRIBUTIONS, of_hour).one()
    if count >= most:
        raise Unreachable(
            f"node {receipt.node[:12]}… has pushed {count} contributions within an hour, and {most} are the most "
            f"(node_contributions_per_hour); push again {_when(now, first and first + HOUR)}"
        )


def let_in(connection: Connection, receipt: Receipt, size: int, room: int) -> None:
    """Enter a push whose files have `size` bytes together, unless it is too much; `room` is what may come in all.

    Raises:
        Refusal: when so many bytes are never taken.
        Unreachable: when the node has taken its quota, and when there is room again.
    """
    if not size:
        return
    now, settings = time.time(), read_settings(connection)
    connection.execute(_FORGET, {"who": receipt.node, "since": now - DAY})
    row = connection.execute(_TRANSFER, {"this": receipt.digest}).first()
    # of a push that goes on, nothing is new; one that comes again after its end is another one
    before, again = (row.bytes, not row.ended) if row is not None else (0, False)
    of_node = {"who": receipt.node, "this": receipt.digest, "stale": now - settings.stale_seconds}
    lately = connection.execute(_TRANSFERS, of_node).one()
    _check_transfers(receipt, settings, lately)
    _check_share(receipt, size, int(lately.coming), room)
    _check_bytes(connection, receipt, settings, now, lately, max(0, size - before) if again else size)
    transfer = {"receipt": receipt.digest, "node": receipt.node, "begun": now}
    values = {"bytes": max(size, before) if again else before + size, "changed": now, "ended": False}
    upsert(connection, TransferRow, transfer | values, changing=tuple(values))


def end(connection: Connection, receipt: str) -> None:
    """A push was admitted, rejected or not needed: it is under way no more."""
    connection.execute(_END, {"this": receipt})


def _check_transfers(receipt: Receipt, settings: Settings, lately: Row[Any, Any, Any]) -> None:
    if lately.under_way >= settings.node_transfers:
        raise Unreachable(
            f"node {receipt.node[:12]}… has {lately.under_way} pushes under way, and {settings.node_transfers} are the "
            "most (node_transfers); push again when one of them has ended, or the oldest is given up "
            f"{_when(time.time(), lately.first and lately.first + settings.stale_seconds)}"
        )


def _check_share(receipt: Receipt, size: int, coming: int, room: int) -> None:
    """One push may need all of the room; several of one node only half of it, so that others find some."""
    if coming and coming + size > room // 2:
        raise Unreachable(
            f"node {receipt.node[:12]}… has pushes of {coming} bytes under way, and with {size} more they need over "
            f"half of the registry's room ({max(0, room)} bytes); push again when one of them has ended"
        )


def _check_bytes(
    connection: Connection, receipt: Receipt, settings: Settings, now: float, lately: Row[Any, Any, Any], more: int
) -> None:
    most, used = settings.node_bytes_per_day, int(lately.bytes)
    if more > most:
        raise Refusal(f"these weights have {more} bytes, and a node may push {most} in a day (node_bytes_per_day)")
    if used + more <= most:
        return
    over = used + more - most
    for row in connection.execute(_BY_AGE, {"who": receipt.node}):
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
