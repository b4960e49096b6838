"""The reason why a round waits, in one sentence: a pure function of the plan and of the nodes that are here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coordinator.matching import can_do
from ratatouille.exchange.assignment import NodeAssignment
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.order import Order

PATIENCE_SECONDS = 10.0
"""A round that nobody has worked on for so long says what it waits for."""
_MOST_NAMED = 3


def waits_for(
    orders: Mapping[str, Order], offers: Sequence[Offer], at_work: bool, fleet: str | None, state: str
) -> str:
    """The sentence; empty when somebody is at work, or nothing is open.

    Args:
        orders: open work by work id.
        offers: the offers that stand.
        at_work: whether somebody holds a lease on any of it.
        fleet: where orders are handed out; None when no coordinator is up.
        state: the round's.
    """
    if at_work or not orders:
        return ""
    if fleet is None:
        return "no coordinator is up; the round waits until `ratatouille coordinator up` serves this registry"
    if state == "requested":
        return "the round waits for its turn: the coordinator starts it when the rounds before it are over"
    able = {work_id: [offer for offer in offers if can_do(offer, order)] for work_id, order in orders.items()}
    if nobody := [orders[work_id] for work_id, found in able.items() if not found]:
        return f"nobody who is here can do {_named(nobody)}: the nodes that hold that data are away"
    deaf = {offer.name for found in able.values() for offer in found if not offer.hears_orders}
    if all(not offer.hears_orders for found in able.values() for offer in found):
        hear = "hears" if len(deaf) == 1 else "hear"
        return f"the nodes that could work are not connected: {_listed(sorted(deaf))} {hear} no orders from {fleet}"
    return "the round is starting: its server process and its nodes find each other"


def _named(orders: Sequence[Order]) -> str:
    """What some orders are about, by their labels and the beginning of the data's fingerprint."""
    labels = []
    for order in orders:
        assignment = order.assignment
        data = f" (data {assignment.fingerprint[:12]}…)" if isinstance(assignment, NodeAssignment) else ""
        labels.append(f"'{order.label}'{data}")
    return _listed(list(dict.fromkeys(labels)))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
