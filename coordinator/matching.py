"""Matching of orders to nodes: a pure function of open work, current offers, orders under way and leases.

A node that holds the data gets at most two orders, one to work on and one queued, so that it never waits for the next;
idle nodes come first, and relieve busy ones of what they have queued. Work that somebody holds a lease on is left to
them: after a restart of the coordinator it is adopted that way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from ratatouille.exchange.assignment import Compare, Evaluate, NodeAssignment
from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS, PROTOCOL
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.exchange.order import Order

ORDERS_PER_NODE = 2


def leased_work(orders: Mapping[str, Order], leases: Iterable[Lease]) -> dict[str, str]:
    """Work id → node of the leases that count: those that name the data which an order is about.

    A work id says nothing of its data to the registry, so a lease that names other data is somebody's pretence.
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
        able = [offer for offer in here if can_do(offer, order) and (offer.node, work_id) not in barred]
        fewest = min((failures.get((offer.node, work_id), 0) for offer in able), default=0)
        fitting = [
            offer
            for offer in able
            if load[offer.node] < ORDERS_PER_NODE and failures.get((offer.node, work_id), 0) == fewest
        ]
        if fitting:
            node = min(fitting, key=lambda offer: (load[offer.node], offer.name)).node
            load[node] += 1
            sent.append((node, work_id))
    return sent + _relief(orders, here, in_flight, leased, load, barred)


def _relief(
    orders: Mapping[str, Order],
    here: Iterable[Offer],
    in_flight: Mapping[str, str],
    leased: Mapping[str, str],
    load: Counter[str],
    barred: Collection[tuple[str, str]],
) -> list[tuple[str, str]]:
    """Idle nodes are given what waits behind a busy replica; the lease lets one of the two do it."""
    sent = []
    for offer in here:
        waiting = [
            work_id
            for work_id, node in in_flight.items()
            if work_id in orders and work_id not in leased and load[node] >= ORDERS_PER_NODE
        ]
        fitting = [
            work_id for work_id in waiting if can_do(offer, orders[work_id]) and (offer.node, work_id) not in barred
        ]
        if fitting and load[offer.node] == 0:
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
    """Whether a node's answers would be answers to our questions."""
    return (offer.protocol, offer.revision, offer.numerics) == (PROTOCOL, METHOD_REVISION, NUMERICS)
