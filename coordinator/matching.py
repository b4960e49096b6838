"""Matching of orders to nodes, and the failures that keep a node from an order for a while.

`match` is a pure function of open work, current offers, orders under way and leases. A node that holds the data gets
an order for each of its workers and one that is queued, so that it never waits for the next. Nodes with idle workers
come first, and relieve busy ones of what they have queued. Work that a node holds a lease on is left to it: after a
restart of the coordinator it is adopted that way.

`Failures` are those of one round. A failure that a node cannot mend by trying again takes it out of that question. One
that is the node's own fault parks the node, or one holding of it: it gets no work until it says that it is mended,
comes back, or the time is over. One that may pass is tried again after a pause, three times. Nothing here ends a round;
`rounds` does when no node is left.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ratatouille.exchange.assignment import Compare, Evaluate, NodeAssignment
from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS, PROTOCOL
from ratatouille.exchange.membership import Lease, Offer, Parked
from ratatouille.exchange.order import Order
from ratatouille.failure import Failure

QUEUED_ORDERS = 1
"""Orders that wait at a node while each of its workers has one."""
ATTEMPTS = 3
"""How often a node is asked a question whose failures may pass."""
PARKED_SECONDS = 600.0
"""How long this round parks a node whose own offer does not say that it is parked."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
_MOST_DOUBLINGS = 30


def leased_work(orders: Mapping[str, Order], leases: Iterable[Lease]) -> dict[str, str]:
    """Work id → node of the leases that count: those that name the data which an order is about.

    A work id says nothing of its data to the registry, so a lease that names other data does not count.
    """
    found = {}
    for lease in leases:
        order = orders.get(lease.work_id)
        if order is None or lease.fingerprint == getattr(order.assignment, "fingerprint", None):
            found[lease.work_id] = lease.node
    return found


def match(
    orders: Mapping[str, Order],
    offers: Iterable[Offer],
    connected: Collection[str],
    in_flight: Mapping[str, str],
    leased: Mapping[str, str],
    failures: Mapping[tuple[str, str], int] = MappingProxyType({}),
    barred: Collection[tuple[str, str]] = frozenset(),
    makers: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[tuple[str, str]]:
    """Pairs (node, work id) to send now.

    Args:
        orders: open work by work id, in the order of its urgency.
        offers: the offers that stand.
        connected: nodes that Flower can reach.
        in_flight: work id → node of orders that were sent and not yet answered.
        leased: work id → node of live leases.
        failures: how often a node (first) failed at a question (second): those who did so least often are asked.
        barred: nodes (first) that are not asked a question (second) again.
        makers: by work id, nodes of the member whose version a question is about: they are asked only where no node of
            another member is here that could answer.
    """
    here = [offer for offer in offers if offer.node in connected]
    load = Counter(in_flight.values())
    for work_id, node in leased.items():
        if work_id not in in_flight:
            load[node] += 1
    sent = []
    for work_id, order in orders.items():
        if work_id in in_flight or work_id in leased:
            continue
        able = _able(order, work_id, here, barred, makers)
        fewest = min((failures.get((offer.node, work_id), 0) for offer in able), default=0)
        fitting = [
            offer
            for offer in able
            if load[offer.node] < offer.workers + QUEUED_ORDERS and failures.get((offer.node, work_id), 0) == fewest
        ]
        if fitting:
            node = min(fitting, key=lambda offer: (load[offer.node] - offer.workers, offer.name)).node
            load[node] += 1
            sent.append((node, work_id))
    return sent + _relief(orders, here, in_flight, leased, load, barred, makers)


def _able(
    order: Order,
    work_id: str,
    here: Collection[Offer],
    barred: Collection[tuple[str, str]],
    makers: Mapping[str, Collection[str]],
) -> list[Offer]:
    """The offers of nodes that may answer a question."""
    able = [offer for offer in here if can_do(offer, order) and (offer.node, work_id) not in barred]
    own = makers.get(work_id, ())
    return [offer for offer in able if offer.node not in own] or able


def _relief(
    orders: Mapping[str, Order],
    here: Collection[Offer],
    in_flight: Mapping[str, str],
    leased: Mapping[str, str],
    load: Counter[str],
    barred: Collection[tuple[str, str]],
    makers: Mapping[str, Collection[str]],
) -> list[tuple[str, str]]:
    """Pairs for idle nodes: orders that wait at a busy replica are sent to an idle one too. The lease goes to one."""
    sent = []
    full = {offer.node: offer.workers + QUEUED_ORDERS for offer in here}
    for offer in here:
        waiting = [
            work_id
            for work_id, node in in_flight.items()
            if work_id in orders and work_id not in leased and load[node] >= full.get(node, 1 + QUEUED_ORDERS)
        ]
        fitting = [work_id for work_id in waiting if offer in _able(orders[work_id], work_id, here, barred, makers)]
        if fitting and load[offer.node] < offer.workers:
            load[offer.node] += 1
            load[in_flight[fitting[0]]] -= 1
            sent.append((offer.node, fitting[0]))
    return sent


def stranded(
    orders: Mapping[str, Order],
    offers: Iterable[Offer],
    connected: Collection[str],
    barred: Collection[tuple[str, str]] = frozenset(),
) -> set[str]:
    """Open work that no node that is here could do, or is still asked to."""
    here = [offer for offer in offers if offer.node in connected]
    return {
        work_id
        for work_id, order in orders.items()
        if not any(can_do(offer, order) and (offer.node, work_id) not in barred for offer in here)
    }


def can_do(offer: Offer, order: Order) -> bool:
    """Whether a node speaks our dialect, holds the data of an order, and trains if the order asks for it."""
    assignment = order.assignment
    if not isinstance(assignment, NodeAssignment) or not speaks_our_dialect(offer):
        return False
    holds = any(holding.fingerprint == assignment.fingerprint for holding in offer.holdings)
    return holds and (offer.trains or isinstance(assignment, Evaluate | Compare))


def speaks_our_dialect(offer: Offer) -> bool:
    """Whether a node has our protocol, method revision and numerics; others would answer other questions."""
    return (offer.protocol, offer.revision, offer.numerics) == (PROTOCOL, METHOD_REVISION, NUMERICS)


class Pauses:
    """Pauses that grow while one follows another, by who makes them; seconds of a clock that never goes back."""

    def __init__(self, first: float, longest: float, clock: Callable[[], float]) -> None:
        self._first, self._longest, self._clock = first, longest, clock
        self._known: dict[str, tuple[int, float]] = {}
        """How many there were in a row, and until when the last one lasts."""

    def begin(self, who: str) -> None:
        """Begin the next one, twice as long as the last one."""
        row = min(self._known.get(who, (0, 0.0))[0] + 1, _MOST_DOUBLINGS)
        self._known[who] = (row, self._clock() + min(self._first * 2.0 ** (row - 1), self._longest))

    def end(self, who: str) -> None:
        """Forget them: the next one is the first again."""
        self._known.pop(who, None)

    def until(self, who: str) -> float:
        """When the last one is over."""
        return self._known.get(who, (0, -math.inf))[1]

    def over(self, who: str) -> bool:
        """Whether there is none now."""
        return self.until(who) <= self._clock()


@dataclass
class _ParkedPlace:
    """A node, or one holding of it, that gets no work."""

    failure: Failure
    until: float
    confirmed: bool = False
    """Whether the node's own offer has said that it is parked; when it says so no more, the place is free."""


class Failures:
    """The failures of one round, by node and question; times are of a clock that never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.counts: Counter[tuple[str, str]] = Counter()
        """How often a node (first) failed at a question (second)."""
        self.barred: set[tuple[str, str]] = set()
        """Nodes that are not asked a question again."""
        self.last: dict[tuple[str, str], Failure] = {}
        self._parked: dict[tuple[str, str | None], _ParkedPlace] = {}
        """By node and fingerprint; None for the whole node."""
        self._pauses = Pauses(_FIRST_PAUSE, _LONGEST_PAUSE, clock)
        """When a node gets no work because of passing failures."""
        self._flower: dict[str, int] = {}
        """The Flower node that each node was when it failed."""

    def note(self, node: str, flower: int, work_id: str, fingerprint: str, failure: Failure) -> None:
        """A node failed at a question about a holding."""
        now = self._clock()
        self.counts[node, work_id] += 1
        self.last[node, work_id] = failure
        self._flower[node] = flower
        if failure.fault == "passing":
            self._pauses.begin(node)
            if self.counts[node, work_id] >= ATTEMPTS:
                self.barred.add((node, work_id))
        elif failure.fault == "question":
            self.barred.add((node, work_id))
        else:
            place = (node, fingerprint if failure.fault == "data" else None)
            self._parked[place] = _ParkedPlace(failure, now + PARKED_SECONDS)

    def succeeded(self, node: str) -> None:
        """A node did some work: what kept it from working has passed."""
        self._pauses.end(node)

    def look(self, offers: Iterable[Offer], nodes: Mapping[str, int]) -> None:
        """Forget what is over: nodes that came back under another Flower id, and places that are free again."""
        for node in [node for node, flower in self._flower.items() if nodes.get(node, flower) != flower]:
            self._forget(node)
        announced = {(offer.node, one.fingerprint) for offer in offers for one in offer.parked}
        here = {offer.node for offer in offers}
        for place, parked in list(self._parked.items()):
            parked.confirmed = parked.confirmed or place in announced
            free = parked.confirmed and place[0] in here and place not in announced
            if free or (place not in announced and self._clock() >= parked.until):
                del self._parked[place]

    def left(self, offers: Iterable[Offer]) -> list[Offer]:
        """The offers without the holdings that are parked. A pause that passes by itself takes nothing away."""
        return [
            self._without(offer, [one for one in offer.parked if one.failure.fault != "passing"]) for offer in offers
        ]

    def ready(self, offers: Iterable[Offer]) -> list[Offer]:
        """The offers of the nodes that may be given work now: none that has a pause, and no holding that is parked."""
        now = self._clock()
        unpaused = [offer for offer in offers if self._pauses.until(offer.node) <= now]
        return [self._without(offer, offer.parked) for offer in unpaused]

    def reasons(self, offers: Iterable[Offer], work_id: str, fingerprint: str) -> dict[str, Failure]:
        """Why each node that offers the data of a question does not answer it, by node."""
        found = {}
        for offer in offers:
            announced = [one.failure for one in offer.parked if one.fingerprint in (None, fingerprint)]
            last = [self.last[offer.node, work_id]] if (offer.node, work_id) in self.last else []
            own = [self._parked[place].failure for place in self._places(offer.node, fingerprint)]
            holds = any(holding.fingerprint == fingerprint for holding in offer.holdings)
            if holds and (known := [*last, *own, *announced]):
                found[offer.node] = known[0]
        return found

    def _places(self, node: str, fingerprint: str) -> list[tuple[str, str | None]]:
        return [place for place in ((node, fingerprint), (node, None)) if place in self._parked]

    def _without(self, offer: Offer, announced: Iterable[Parked]) -> Offer:
        own = {fingerprint for node, fingerprint in self._parked if node == offer.node}
        parked = own | {one.fingerprint for one in announced}
        if not parked:
            return offer
        held = () if None in parked else tuple(one for one in offer.holdings if one.fingerprint not in parked)
        return offer.model_copy(update={"holdings": held})

    def _forget(self, node: str) -> None:
        del self._flower[node]
        self._pauses.end(node)
        self.barred = {one for one in self.barred if one[0] != node}
        self.counts = Counter({one: count for one, count in self.counts.items() if one[0] != node})
        self.last = {one: failure for one, failure in self.last.items() if one[0] != node}
        self._parked = {place: parked for place, parked in self._parked.items() if place[0] != node}
