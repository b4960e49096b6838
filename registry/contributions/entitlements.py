"""Entitlements of a node: the holdings that it may answer for, how much it may count on them, and its quotas.

The first offer of a fingerprint binds it to the holding's key, which follows from the data: replicas compute the same
one, and a node without the data cannot. So a node answers only what is asked of data that it has, and its counts are
never about more images than it published. A version under review is counted by another member, where one offers the
data.

Quotas limit contributions in an hour, bytes in a day and transfers at a time. They are checked before a byte of weights
is accepted, and counted from rows, so that a restart forgets nothing. A push that broke off and goes on is counted
once. A node that is over a quota may push again later: nothing is thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, case, delete, func, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.assignment import Cell, FineTune, Import, Probe
from ratatouille.exchange.confusion import by_class
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.tasks.holding import Holding
from registry.database import upsert
from registry.ledger.members.queries import all_keys
from registry.lists import chunks
from registry.schema import ContributionRow, HoldingRow, OfferRow, TransferRow, VersionRow
from registry.settings import Settings, read_settings

_WHO: BindParameter[Any] = bindparam("who")
_OWNERS = select(HoldingRow.fingerprint, HoldingRow.owner).where(
    HoldingRow.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
_OF_NODE = select(HoldingRow.fingerprint, HoldingRow.record).where(HoldingRow.node == _WHO)
_UNTIL = (
    update(HoldingRow)
    .where(HoldingRow.node == _WHO, HoldingRow.fingerprint.in_(bindparam("fingerprints", expanding=True)))
    .values(until=bindparam("ends"))
)
_HELD = select(HoldingRow.record, HoldingRow.until).where(
    HoldingRow.node == _WHO, HoldingRow.fingerprint == bindparam("fingerprint"), HoldingRow.task == bindparam("of_task")
)
_STANDING = select(HoldingRow.node).where(
    HoldingRow.fingerprint == bindparam("fingerprint"),
    HoldingRow.task == bindparam("of_task"),
    HoldingRow.until > bindparam("now"),
)
_END = (
    update(HoldingRow)
    .where(HoldingRow.node == _WHO, HoldingRow.until > bindparam("ends"))
    .values(until=bindparam("ends"))
)


def enter_holdings(connection: Connection, offer: Offer, owners: Sequence[str], until: float) -> None:
    """Note what a node offers, and until when.

    Args:
        connection: a transaction.
        offer: the node's offer.
        owners: the keys of its holdings, which were proved.
        until: when the offer ends.

    Raises:
        Refusal: for a fingerprint that another key owns.
    """
    keys = {holding.fingerprint: owner for holding, owner in zip(offer.holdings, owners, strict=True)}
    for some in chunks(keys):
        for row in connection.execute(_OWNERS, {"fingerprints": some}):
            if row.owner != keys[row.fingerprint]:
                raise Refusal(
                    f"node {offer.node[:12]}… cannot offer fingerprint {row.fingerprint[:12]}…: it was offered "
                    "first by a node that proved that it has the data, and this proof is another one"
                )
    known: dict[str, str] = {row.fingerprint: row.record for row in connection.execute(_OF_NODE, {"who": offer.node})}
    rows = [
        {
            "node": offer.node,
            "fingerprint": holding.fingerprint,
            "owner": owner,
            "task": holding.task,
            "record": holding.to_json().decode(),
            "until": until,
        }
        for holding, owner in zip(offer.holdings, owners, strict=True)
    ]
    changed = [row for row in rows if known.get(str(row["fingerprint"])) != row["record"]]
    same = [str(row["fingerprint"]) for row in rows if known.get(str(row["fingerprint"])) == row["record"]]
    if changed:
        upsert(connection, HoldingRow, changed)
    for some in chunks(same):  # a node renews its offer often, and what it holds stays the same
        connection.execute(_UNTIL, {"who": offer.node, "fingerprints": some, "ends": until})


def end_holdings(connection: Connection, node: str, now: float) -> None:
    """Note that the node's offer ended, so that it may answer for none of its holdings."""
    connection.execute(_END, {"who": node, "ends": now})


def held_by(connection: Connection, node: str, fingerprint: str, task: str, now: float) -> Holding | None:
    """The holding as this node published it, if its offer stands or ended no longer ago than a push may resume."""
    row = connection.execute(_HELD, {"who": node, "fingerprint": fingerprint, "of_task": task}).first()
    if row is None or row.until < now - read_settings(connection).stale_seconds:
        return None
    return Holding.from_json(row.record)


def refuse_own_review(
    connection: Connection, about: str | None, node: str, fingerprint: str, task: str, now: float
) -> None:
    """Refuse that the member who made a version counts it for its review, while another member offers the data, and
    does not say that it cannot work on it for now.

    Args:
        connection: a transaction.
        about: the version under review; None for a question that reviews none.
        node: the key that would answer.
        fingerprint: the holding that is counted on.
        task: the task that it is offered for.
        now: the time.

    Raises:
        Refusal: when it is the maker's member and need not be.
    """
    if about is None:
        return
    maker = connection.execute(select(VersionRow.node).where(VersionRow.id == about)).scalar()
    if maker is None or node not in (own := all_keys(connection, [maker])):
        return
    offered = {"fingerprint": fingerprint, "of_task": task, "now": now}
    others = set(connection.execute(_STANDING, offered).scalars()) - set(own)
    sealed = connection.execute(select(OfferRow.sealed).where(OfferRow.node.in_(others))).scalars() if others else ()
    offers = (Offer.from_json(Sealed.from_json(one).body) for one in sealed)
    if any(all(one.fingerprint not in (None, fingerprint) for one in offer.parked) for offer in offers):
        raise Refusal(
            f"version {about[:12]}… is under review and was made by the member of node {node[:12]}…; another member "
            "offers this data and counts it",
            code="own-review",
        )


def check_counts(receipt: Receipt, holding: Holding) -> None:
    """Check that a receipt counts no more images than its node published.

    Raises:
        Refusal: naming the first cell that does.
    """
    work = receipt.assignment
    assert not isinstance(work, Import)
    comparison = receipt.comparison
    rows = (*comparison.networks, comparison.ensemble) if comparison else ()
    for one in (*receipt.evaluations, *(evaluation for row in rows for evaluation in row)):
        _check_cell(one, holding, work.trial)
    if isinstance(work, Probe | FineTune):
        most = sum(holding.most(domain, "train", work.trial) for domain in work.domains)
        if receipt.images > most:
            raise Refusal(f"this receipt trained on {receipt.images} images; its node's offer has {most} to train on")


def _check_cell(counted: Evaluation, holding: Holding, trial: int) -> None:
    cell = counted.cell
    where = f"{cell.domain}/{cell.split}/{cell.slice}"
    most = holding.most(cell.domain, cell.split, trial)
    if counted.count > most:
        raise Refusal(f"this receipt counts {counted.count} images of {where}; its node's offer has {most}")
    published = _by_class(holding, cell, trial)
    for number, (_, images) in enumerate(by_class(counted.confusion) if counted.count else ()):
        if images > (has := published[number] if number < len(published) else 0):
            raise Refusal(
                f"this receipt counts {images} images of class {number} in {where}; its node's offer has {has}"
            )


def _by_class(holding: Holding, cell: Cell, trial: int) -> list[int]:
    """The largest number of images of each class that a cell can be about; of other trials only totals are known.

    A node's offer may lack the cell, or count fewer classes than the task has.
    """
    splits = holding.counts.get(cell.domain, {})
    rows = splits.values() if trial or cell.split == "all" else [splits[cell.split]] if cell.split in splits else []
    return [sum(column) for column in zip(*rows, strict=True)]


HOUR, DAY = 3600.0, 24 * 3600.0

_THIS: BindParameter[Any] = bindparam("this")
_SINCE: BindParameter[Any] = bindparam("since")
_CONTRIBUTIONS = select(func.count(), func.min(ContributionRow.created)).where(
    ContributionRow.node == _WHO, ContributionRow.created > _SINCE, ContributionRow.receipt != _THIS
)
_FORGET = delete(TransferRow).where(TransferRow.node == _WHO, TransferRow.begun < _SINCE)
_TRANSFER = select(TransferRow).where(TransferRow.receipt == _THIS)
_END_TRANSFER = update(TransferRow).where(TransferRow.receipt == _THIS).values(ended=True)
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
    """Check that the node has not pushed too many receipts lately; this one counts once, however often it comes.

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
    # of a push that goes on, nothing is new; one that comes again after its end_transfer is another one
    before, again = (row.bytes, not row.ended) if row is not None else (0, False)
    of_node = {"who": receipt.node, "this": receipt.digest, "stale": now - settings.stale_seconds}
    lately = connection.execute(_TRANSFERS, of_node).one()
    _check_transfers(receipt, settings, lately)
    _check_share(receipt, size, int(lately.coming), room)
    _check_bytes(connection, receipt, settings, now, lately, max(0, size - before) if again else size)
    transfer = {"receipt": receipt.digest, "node": receipt.node, "begun": now}
    values = {"bytes": max(size, before) if again else before + size, "changed": now, "ended": False}
    upsert(connection, TransferRow, transfer | values, changing=tuple(values))


def end_transfer(connection: Connection, receipt: str) -> None:
    """Note that a push is over: it was admitted, rejected or not needed."""
    connection.execute(_END_TRANSFER, {"this": receipt})


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
    """A moment in words; None means that it is not known."""
    if moment is None:
        return "when the maintainers have raised that"
    minutes = max(1, round((moment - now) / 60))
    return f"at {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC (in {minutes} min)"
