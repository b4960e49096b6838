"""Entitlements of a node: the holdings that it offers or offered lately, and how much it may count on them.

The first offer of a fingerprint binds it to the holding's key, which follows from the data: replicas compute the same
one, and nobody else can. So a node answers only what is asked of data that it has, and its counts are never about more
images than it published.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, FineTune, Import, Probe
from ratatouille.exchange.confusion import by_class
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.tasks.holding import Holding
from registry.database import upsert
from registry.lists import chunks
from registry.schema import HoldingRow
from registry.settings import read_settings

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
    """The node's offer stands no more."""
    connection.execute(_END, {"who": node, "ends": now})


def held_by(connection: Connection, node: str, fingerprint: str, task: str, now: float) -> Holding | None:
    """The holding as this node published it, if its offer stands or ended no longer ago than a push may resume."""
    row = connection.execute(_HELD, {"who": node, "fingerprint": fingerprint, "of_task": task}).first()
    if row is None or row.until < now - read_settings(connection).stale_seconds:
        return None
    return Holding.from_json(row.record)


def check_counts(receipt: Receipt, holding: Holding) -> None:
    """See that a receipt counts no more images than its node published.

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
