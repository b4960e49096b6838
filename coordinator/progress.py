"""Progress of a round, for people: what is done of what will be needed, who works on what, and why it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from coordinator.driver import RoundDriver
from coordinator.matching import can_do, speaks_our_dialect
from ratatouille.exchange.assignment import FineTune, NodeAssignment
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.exchange.order import Order
from ratatouille.home import SHORT_KEY
from ratatouille.recipes.plan import Forecast
from ratatouille.record import Record
from ratatouille.wording import enumerated, number_of
from registry.records import Holder
from registry.services.registry import Registry

PATIENCE_SECONDS = 10.0
"""A round on which no node has worked for so long says what it waits for."""
_MOST_NAMED = 3


class Working(Record):
    """A node at work."""

    node: str
    doing: str
    """On each of its devices, with semicolons between them."""
    done: int
    total: int
    """Steps of all of it together."""

    @property
    def sentence(self) -> str:
        """One line; work that has no steps yet is said without a number."""
        return f"{self.node}: {self.doing}" + (f" {self.done}/{self.total}" if self.total else "")


class RoundProgress(Record):
    """The progress of a round; the totals include work that is not open yet."""

    trainings: int
    trainings_done: int
    evaluations: int
    evaluations_done: int
    steps: int
    steps_done: int
    lacking: int = 0
    """Answers that the round goes without, since the members who hold the data have closed them."""
    workers: tuple[Working, ...]

    @property
    def sentence(self) -> str:
        """One line."""
        return (
            f"{self.trainings_done} of {number_of(self.trainings, 'run')} trained, "
            f"{self.evaluations_done} of {number_of(self.evaluations, 'evaluation')}, "
            f"{self.steps_done} of {number_of(self.steps, 'step')}"
            + (f"; goes without {number_of(self.lacking, 'answer')} that members have closed" if self.lacking else "")
        )


def round_progress(driver: RoundDriver, registry: Registry) -> RoundProgress:
    """Look at a round; asks the registry for news."""
    driver.gather()
    needed = driver.forecast()
    names = {offer.node: offer.name for offer in registry.work.offers()}
    leases = [lease for lease in registry.work.leases() if lease.work_id in needed.orders]
    kinds = {work_id: order.assignment.kind for work_id, order in needed.orders.items()}
    # A lease may also count images that were read or counted; only a training's own steps are added up here.
    under_way = sum(
        lease.done
        for lease in leases
        if lease.work_id not in needed.known and lease.total == _steps(needed, [lease.work_id])
    )
    trainings = [work_id for work_id, kind in kinds.items() if kind == "fine_tune"]
    others = [work_id for work_id, kind in kinds.items() if kind in ("evaluate", "compare")]
    return RoundProgress(
        trainings=len(trainings),
        trainings_done=len(needed.known.intersection(trainings)),
        evaluations=len(others),
        evaluations_done=len(needed.known.intersection(others)),
        steps=_steps(needed, trainings),
        steps_done=_steps(needed, needed.known) + under_way,
        lacking=len(needed.lacking),
        workers=tuple(
            Working(
                node=names.get(node, node[:10]),
                doing="; ".join(needed.orders[lease.work_id].label for lease in held),
                done=sum(lease.done for lease in held),
                total=sum(lease.total for lease in held),
            )
            for node, held in sorted(_by_node(leases).items(), key=lambda one: names.get(one[0], one[0]))
        ),
    )


def _by_node(leases: Iterable[Lease]) -> dict[str, list[Lease]]:
    """The leases of each node, the one that was taken first before the others."""
    found: dict[str, list[Lease]] = {}
    for lease in leases:
        found.setdefault(lease.node, []).append(lease)
    return found


def _steps(needed: Forecast, work_ids: Iterable[str]) -> int:
    total = 0
    for work_id in work_ids:
        order = needed.orders.get(work_id)
        if order is not None and isinstance(order.assignment, FineTune):
            total += order.assignment.steps
    return total


def waits_for(
    orders: Mapping[str, Order],
    offers: Sequence[Offer],
    at_work: bool,
    fleet: str | None,
    state: str,
    holders: Callable[[Sequence[str]], Sequence[Holder]] = lambda _: (),
) -> str:
    """The sentence; empty when a node is at work, or nothing is open.

    Args:
        orders: open work by work id.
        offers: the offers that stand.
        at_work: whether a node holds a lease on any of it.
        fleet: where orders are handed out; None when no coordinator is up.
        state: the round's.
        holders: gives the nodes that offer certain data, or offered it before.
    """
    if at_work or not orders:
        return ""
    if fleet is None:
        return "no coordinator is up; the round waits until `ratatouille coordinator up` serves this registry"
    if state == "requested":
        return "the round waits for its turn: the coordinator starts it when the rounds before it are over"
    able = {work_id: [offer for offer in offers if can_do(offer, order)] for work_id, order in orders.items()}
    if undoable := [orders[work_id] for work_id, found in able.items() if not found]:
        return f"nobody who is here can do {_named(undoable)}: {_why_undone(undoable, offers, holders)}"
    unconnected = {offer.name for found in able.values() for offer in found if not offer.hears_orders}
    if all(not offer.hears_orders for found in able.values() for offer in found):
        nodes = f"{enumerated(sorted(unconnected), _MOST_NAMED)} {'hears' if len(unconnected) == 1 else 'hear'}"
        return f"the nodes that could work are not connected: {nodes} no orders from {fleet}"
    return "the round is starting: its server process and its nodes find each other"


def _why_undone(
    orders: Sequence[Order], offers: Sequence[Offer], holders: Callable[[Sequence[str]], Sequence[Holder]]
) -> str:
    """What keeps each node that has the data from it."""
    about = [order.assignment for order in orders if isinstance(order.assignment, NodeAssignment)]
    here = {offer.node: offer for offer in offers}
    reasons: dict[str, None] = {}
    for one in holders(list(dict.fromkeys(assignment.fingerprint for assignment in about))):
        node = f"node {one.name} (key {one.node[:SHORT_KEY]}), which holds data of task {one.task_name},"
        offer = here.get(one.node)
        if one.revoked:
            reasons[f"{node} was revoked"] = None
        elif offer is None or all(holding.fingerprint != one.fingerprint for holding in offer.holdings):
            reasons[f"{node} {'offers it no more' if offer else 'is away'}"] = None
        elif not speaks_our_dialect(offer):
            reasons[f"{node} has another release"] = None
        else:
            reasons[f"{node} counts only"] = None
    return enumerated(list(reasons), _MOST_NAMED) or "the nodes that hold that data are away"


def _named(orders: Sequence[Order]) -> str:
    """What some orders are about, by their labels and the beginning of the data's fingerprint."""
    labels = []
    for order in orders:
        assignment = order.assignment
        data = f" (data {assignment.fingerprint[:12]}…)" if isinstance(assignment, NodeAssignment) else ""
        labels.append(f"'{order.label}'{data}")
    return enumerated(list(dict.fromkeys(labels)), _MOST_NAMED)
