"""Evaluations that the registry owes, such as of averages that a retraction had made anew: nodes are sent the orders.

A running round sends them along with its own orders. While no round runs, the scheduler starts a Flower run of this
module as soon as a node is here that has the data; it ends when no node that is here can do what is left, or a round is
asked for. What is owed are rows of the registry and answers are pushes to it, so a run may be killed at any moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from coordinator.dispatch import POLL_SECONDS, Dispatch
from coordinator.matching import can_do, match
from ratatouille.errors import Unreachable
from ratatouille.exchange.change import Close
from ratatouille.exchange.order import Order
from registry.records import ALIVE
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
EVALUATIONS = "evaluations"
"""The name of a Flower run that works them off, in place of a round's id."""
_INTRODUCTIONS = 15.0
"""Seconds in which nodes introduce themselves to a new run."""
_SILENCE = 120.0
"""Seconds after which an order without an answer is given up in this run; the next run asks again."""


@dataclass(frozen=True)
class Owed:
    """The evaluations that are owed and that a node which is here could do."""

    orders: dict[str, Order]
    """Their orders, by work id."""
    barred: frozenset[tuple[str, str]]
    """Nodes (first) that are not asked a question (second)."""

    @classmethod
    def now(cls, registry: Registry, barred: Collection[tuple[str, str]] = ()) -> Owed:
        """What is owed now. Nodes that have closed a question are barred from it, those that the caller names, and
        those whom a comparison is about where another node that is here has the data.
        """
        obligations = registry.work.obligations()
        owed = {one.work_id: one.order for one in obligations}
        if not owed:
            return cls({}, frozenset(barred))
        closed = {(one.node, Close.from_json(one.body).question) for one in registry.work.closures(list(owed))}
        out, offers = frozenset(barred) | closed, registry.work.offers()
        for one in obligations:
            able = {offer.node for offer in offers if can_do(offer, one.order)}
            if one.makers and able - set(one.makers):
                out |= {(node, one.work_id) for node in able & set(one.makers)}
        orders = {
            work_id: order
            for work_id, order in owed.items()
            if any(can_do(offer, order) and (offer.node, work_id) not in out for offer in offers)
        }
        return cls(orders, out)


def run_evaluations(registry: Registry, lane: Dispatch, seal: Callable[[Order], bytes]) -> None:
    """Send orders for what is owed, until no node that is here can do more of it, or a round is asked for."""
    run = _Run(registry, lane, seal)
    while True:
        try:
            if run.turn():
                return
        except Unreachable as error:
            _log.warning("%s; waiting for it", error)
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class _Sent:
    node: str
    work_id: str
    at: float


class _Run:
    def __init__(self, registry: Registry, lane: Dispatch, seal: Callable[[Order], bytes]) -> None:
        self._seal = seal
        self._registry = registry
        self._lane = lane
        self._began = time.monotonic()
        self._sent: dict[str, _Sent] = {}
        self._barred: set[tuple[str, str]] = set()
        """Nodes that did not do a question in this run."""

    def turn(self) -> bool:
        """Send what can be sent; True when this run is over."""
        if self._registry.rounds.rounds(ALIVE, limit=1):
            return True  # that round sends them along
        nodes = {key: flower for flower, key in self._lane.nodes().items()}
        self._receive()
        owed = Owed.now(self._registry, self._barred)
        orders = owed.orders
        in_flight = {sent.work_id: sent.node for sent in self._sent.values() if sent.work_id in orders}
        leased = {lease.work_id: lease.node for lease in self._registry.work.leases()}
        offers = self._registry.work.offers()
        for node, work_id in match(orders, offers, nodes, in_flight, leased, barred=owed.barred):
            message = self._lane.send(nodes[node], self._seal(orders[work_id]))
            self._sent[message] = _Sent(node, work_id, time.monotonic())
        able = {
            offer.node
            for offer in offers
            for work_id, order in orders.items()
            if can_do(offer, order) and (offer.node, work_id) not in owed.barred
        }
        # another node may have introduced itself first
        waiting = not able <= nodes.keys() and time.monotonic() - self._began < _INTRODUCTIONS
        under_way = any(sent.work_id in orders for sent in self._sent.values()) or orders.keys() & leased.keys()
        return not orders or not (under_way or waiting)

    def _receive(self) -> None:
        for reply in self._lane.poll():
            sent = self._sent.pop(reply.message, None)
            if sent is not None and not reply.lost and reply.refusal is not None:
                self._barred.add((sent.node, sent.work_id))
        now = time.monotonic()
        for message, sent in list(self._sent.items()):
            if now - sent.at > _SILENCE:
                del self._sent[message]
                self._barred.add((sent.node, sent.work_id))
