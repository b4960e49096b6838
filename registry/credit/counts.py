"""Counts for the credit of an average: what nodes answered, by network, domain and holding, and who counted it.

An image counts once. Of several answers about one holding the one is taken that is not by those who are left out, then
the earliest; where a node's data changed, its latest holding counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from sqlalchemy import Connection, select

from ratatouille.exchange.assignment import Compare, Mixture, Split
from ratatouille.exchange.order import Order
from ratatouille.exchange.statistics import Ahead, ahead_on_same
from registry.credit.averages_of_others import person_of
from registry.ledger.answers import answers
from registry.lists import chunks
from registry.records import Result
from registry.schema import ObligationRow

AT_ONCE = 10
"""Answers in memory at a time; of each only the numbers of its pairs are kept."""


class Both(NamedTuple):
    """Images of one domain, by which of two networks recognises them."""

    both: int
    only_first: int
    only_second: int
    images: int

    @property
    def turned(self) -> Both:
        """The same, with the networks in the other order."""
        return Both(self.both, self.only_second, self.only_first, self.images)


@dataclass(frozen=True)
class Counted:
    """One answered comparison: the whole is its network 0."""

    fingerprint: str
    repeat: int
    node: str
    person: str
    created: float
    splits: Mapping[str, Split]
    """Of each domain."""
    places: Mapping[Mixture, int]
    pairs: Mapping[tuple[str, int, int], Both]
    """By domain and two places, the smaller one first."""

    def between(self, domain: str, first: Mixture, second: Mixture) -> Both | None:
        """Two of its networks on one domain; None where they were not counted."""
        one, other = self.places[first], self.places[second]
        found = self.pairs.get((domain, min(one, other), max(one, other)))
        return found if found is None or one <= other else found.turned


@dataclass(frozen=True)
class Answers:
    """What was answered of the comparisons that were entered."""

    counted: tuple[Counted, ...]
    questions: int
    networks: int
    seconds: float

    @property
    def domains(self) -> Mapping[str, Split]:
        """All domains that were counted."""
        return {domain: split for one in self.counted for domain, split in one.splits.items()}

    def of(self, domain: str, network: Mixture, makers: Collection[str], independent: bool) -> list[Counted]:
        """The answers that count a network on a domain, each image once.

        Args:
            domain: where.
            network: which.
            makers: those who are left out.
            independent: True: by others only; False: by themselves only.
        """
        fitting = [
            one
            for one in self.counted
            if domain in one.splits and network in one.places and (one.person not in makers) == independent
        ]
        of_data: dict[str, Counted] = {}
        for one in sorted(fitting, key=lambda one: (one.repeat, one.created)):
            of_data.setdefault(one.fingerprint, one)
        of_node = {one.node: one for one in sorted(of_data.values(), key=lambda one: one.created)}
        return [of_node[node] for node in sorted(of_node)]


def answers_of(connection: Connection, version: str) -> Answers:
    """What was answered of the comparisons for the credit of a version."""
    query = select(ObligationRow.work_id, ObligationRow.record).where(
        ObligationRow.version == version, ObligationRow.kind == "credit"
    )
    orders = {row.work_id: row.record for row in connection.execute(query.order_by(ObligationRow.work_id))}
    counted: list[Counted] = []
    networks, seconds = 0, 0.0
    for some in chunks(orders, AT_ONCE):
        for work_id, found in answers(connection, some).items():
            work = Order.from_json(orders[work_id]).assignment
            assert isinstance(work, Compare)
            networks, seconds = networks + len(work.networks), seconds + found.seconds
            counted.append(_counted(work, found, person_of(connection, [str(found.node)])[str(found.node)]))
    return Answers(tuple(counted), len(orders), networks, seconds)


def _counted(work: Compare, found: Result, person: str) -> Counted:
    pairs = {}
    assert found.comparison is not None
    for pair in found.comparison.pairs:
        images = pair.both + pair.only_first + pair.only_second + pair.neither
        if images:
            both = Both(pair.both, pair.only_first, pair.only_second, images)
            pairs[pair.cell.domain, pair.first, pair.second] = both
    return Counted(
        fingerprint=work.fingerprint,
        repeat=work.repeat,
        node=str(found.node),
        person=person,
        created=found.created,
        splits={cell.domain: cell.split for cell in work.cells if any(key[0] == cell.domain for key in pairs)},
        places={network: place for place, network in enumerate(work.networks)},
        pairs=pairs,
    )


def summed(parts: Iterable[Both]) -> Both:
    """The counts of several holdings."""
    return Both(*map(sum, zip(*parts, strict=True)))


def ahead(counts: Both) -> Ahead:
    """How far the first network is ahead of the second one."""
    return ahead_on_same(counts.only_second, counts.only_first, counts.images)


def accuracy(found: Answers, whole: Mixture, domains: Collection[str]) -> Fraction | None:
    """Of the whole: the mean over these domains; None where one of them has no counts of it."""
    shares = []
    for domain in domains:
        parts = [both for one in found.of(domain, whole, (), True) for both in _any_pair(one, domain)]
        if not parts:
            return None
        total = summed(parts)
        shares.append(Fraction(total.both + total.only_first, total.images))
    return sum(shares, Fraction(0)) / len(shares) if shares else None


def _any_pair(one: Counted, domain: str) -> Iterator[Both]:
    """One pair of which the whole is the first network."""
    found = one.pairs.get((domain, 0, 1))
    if found is not None:
        yield found
