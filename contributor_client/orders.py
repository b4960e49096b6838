"""Checks of an order: the coordinator signed it, and its round runs now in the registry, or the registry owes it."""

from __future__ import annotations

from ratatouille.errors import Refusal
from ratatouille.exchange.order import ForeignOrder, Order, UnknownRound, unseal_order
from registry.services.registry import Registry

OWED = "evaluations"
"""What stands in place of a round's id in orders of evaluations that the registry owes."""


def accepted_order(data: bytes, registry: Registry) -> Order:
    """The order inside of what came, if it is one to obey.

    Raises:
        ForeignOrder: when the coordinator that the registry announces did not sign it.
        UnknownRound: when the registry does not know its round, or it does not run.
        Unreachable: when the registry does not answer.
    """
    key = registry.info().coordinator
    if key is None:
        raise ForeignOrder("the registry has no coordinator, so nobody may give orders")
    order = unseal_order(data, key)
    try:
        if order.round == OWED and order.assignment.digest in {one.work_id for one in registry.work.obligations()}:
            return order  # evaluations that the registry owes belong to no round
        round = registry.rounds.round(order.round)
    except Refusal as error:
        raise UnknownRound(f"the order is for round {order.round}, which the registry does not know") from error
    if round.id != order.round or round.state != "running":
        raise UnknownRound(f"the order is for round {order.round}, which does not run (it is {round.state})")
    return order
