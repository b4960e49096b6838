"""Joint counts of two networks: on how many images only one of them is right.

Only a comparison of the two on a node can count that; its receipt is looked for among the task's comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from ratatouille.exchange.assignment import Compare, Mixture
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from registry.schema import ContributionRow

MOST_COMPARISONS = 200
"""Receipts that are looked into, the latest first; each may have megabytes."""


class Cell(NamedTuple):
    """Where two networks were compared."""

    fingerprint: str
    trial: int
    image_size: int
    domain: str
    split: str
    slice: str


Joint = Mapping[Cell, tuple[int, int]]
"""How many images only the first and only the second recognises."""


def joint(connection: Connection, first: Version, second: Version) -> Joint:
    """What comparisons counted of these two versions, each by itself; of a cell that was counted twice the latest."""
    if first.head is None or second.head is None or first.task != second.task or first.task is None:
        return {}
    query = select(ContributionRow.sealed).where(
        ContributionRow.kind == "compare",
        ContributionRow.task == first.task,
        ContributionRow.state == "admitted",
        *(ContributionRow.sealed.contains(digest) for digest in {first.head, second.head}),
    )
    found: dict[Cell, tuple[int, int]] = {}
    for sealed in connection.execute(query.order_by(ContributionRow.created.desc()).limit(MOST_COMPARISONS)).scalars():
        for cell, counts in _counted(Receipt.from_json(Sealed.from_json(sealed).body), first, second).items():
            found.setdefault(cell, counts)
    return found


def _counted(receipt: Receipt, first: Version, second: Version) -> Joint:
    work, comparison = receipt.assignment, receipt.comparison
    if not isinstance(work, Compare) or comparison is None:
        return {}
    ones = {place for place, network in enumerate(work.networks) if _is(network, first)}
    twos = {place for place, network in enumerate(work.networks) if _is(network, second)}
    found = {}
    for pair in comparison.pairs:
        where = (work.fingerprint, work.trial, work.image_size, pair.cell.domain, pair.cell.split, pair.cell.slice)
        if pair.first in ones and pair.second in twos:
            found[Cell(*where)] = (pair.only_first, pair.only_second)
        elif pair.first in twos and pair.second in ones:
            found[Cell(*where)] = (pair.only_second, pair.only_first)
    return found


def _is(network: Mixture, version: Version) -> bool:
    """Whether a network of a comparison is a version by itself."""
    parts = [{one.part for one in weights} for weights in (network.featurizer, network.head)]
    return parts == [{version.featurizer}, {version.head}]
