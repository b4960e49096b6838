"""The loop of one round over Flower: open questions go out as orders, answers are read from the registry.

The loop may be killed at any moment: everything it knows is in the registry, and the next one goes on. Flower's replies
are hints that a node is free again; an answer counts when the registry has it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flwr.serverapp import Grid

from coordinator.admission import Makers
from coordinator.dispatch import POLL_SECONDS, Dispatch
from coordinator.driver import RoundDriver
from coordinator.endings import MOST_NAMED
from coordinator.evaluations import EVALUATIONS, Owed, run_evaluations
from coordinator.flower_keys import nodes_by_flower_key
from coordinator.matching import Failures, leased_work, match, stranded
from ratatouille.errors import Misconfigured, Refusal, Unreachable
from ratatouille.exchange.assignment import Compare, Evaluate, NodeAssignment
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.order import Failed, Order, seal_order
from ratatouille.exchange.signing import Signer
from ratatouille.failure import Failure
from ratatouille.recipes.questions import RoundPlan
from ratatouille.tasks.task import Task
from ratatouille.wording import enumerated
from registry.opening import open_registry
from registry.records import OVER, RoundRecord
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
_CONTACT_SECONDS = 3.0
"""Time between two looks at Flower while nothing is new in the registry. Each look costs the SuperLink some 40 ms of a
processor that trainings on the same machine could use; one at the registry costs a twentieth of that."""
_SILENCE = 180.0
"""Seconds after which an order without a lease counts as lost."""
_GRACE = 30.0
"""Seconds that a closing round waits for evaluations that no node can make."""
_LAST_GRACE = 10.0
"""Seconds that a round waits, when nothing is under way, for a node that can do what all have refused."""


def run_round(grid: Grid, round_id: str, address: str, signer: Signer) -> None:
    """Run a round to its end, with orders signed by the coordinator's key; called by the ServerApp.

    Raises:
        Refusal: when the round cannot be finished; the registry has the reason too.
    """
    registry, seal = open_registry(address), partial(seal_order, signer)
    try:
        lane = Dispatch(grid, entered=nodes_by_flower_key(registry))
        if round_id == EVALUATIONS:
            run_evaluations(registry, lane, seal)
            return
        registry.rounds.move_round(round_id, ["requested"], "running")
        try:
            runner = RoundRunner(registry, registry.rounds.round(round_id), lane, signer)
        except (Refusal, Misconfigured) as error:  # this round ends, and keeps no other waiting
            registry.rounds.move_round(round_id, ["running", "cancelling"], "failed", str(error))
            raise
        runner.run()
    finally:
        registry.close()


@dataclass
class Sent:
    """An order under way: to which node, under which Flower id, for which question, since when."""

    node: str
    flower: int
    work_id: str
    at: float
    order: Order
    overtaken: float = math.inf
    """Since when an order that was sent to the node later has a lease, or a reply, and this one has none."""


class RoundRunner:
    """The loop of one round; between two turns it keeps nothing that the registry does not know."""

    def __init__(self, registry: Registry, record: RoundRecord, lane: Dispatch, signer: Signer | None = None) -> None:
        """`record` is a round that was moved to `running`; `signer` is the coordinator's key: nodes of a federation
        obey only orders that it signed, and it signs the gate's verdicts.
        """
        self._seal = Order.to_json if signer is None else partial(seal_order, signer)
        self._registry = registry
        self._lane = lane
        self._driver = RoundDriver.of(record, registry, signer=signer)
        self._makers = Makers(registry)
        self.round = self._driver.round
        self._tasks: dict[str, Task] = {}
        self._messages: dict[str, Sent] = {}
        """Orders under way by message id."""
        self._failures = Failures(time.monotonic)
        self._last_sign: dict[str, float] = {}
        """Node key → when it last held a lease or replied."""
        self._stranded_since: float | None = None
        self._refused_since: float | None = None
        self._known = -1
        """Answers that were known at the last contact with Flower."""
        self._contact = 0.0
        """When Flower is to be asked again, also without news."""

    def run(self) -> None:
        """Take turns until the plan is done, the round is cancelled, or it cannot be finished."""
        try:
            while not self._turn_or_wait():
                self._driver.combiner.wait(POLL_SECONDS)
        finally:
            self._driver.combiner.close()

    def _turn_or_wait(self) -> bool:
        """One turn, or a pause when the registry does not answer; True when the round is over. A refusal ends it."""
        try:
            return self._turn()
        except Unreachable as error:
            _log.warning("%s; waiting for it", error)
            time.sleep(1)
            return False
        except (Refusal, Misconfigured) as error:
            self._registry.rounds.move_round(self.round.id, ["running", "cancelling"], "failed", str(error))
            raise

    def _turn(self) -> bool:
        """One turn; True when the round is over."""
        state = self._registry.rounds.round(self.round.id).state
        if state in OVER:
            return True
        if state == "cancelling":
            self._registry.rounds.move_round(self.round.id, ["cancelling"], "cancelled", "cancelled by a maintainer")
            return True
        plan = self._driver.advance()
        if self._driver.over(plan):
            return self._end(plan)
        if not self._due():
            return False
        self._receive()
        return self._dispatch(plan)

    def _due(self) -> bool:
        """Whether to talk to Flower in this turn: something new is known, no node is at work yet, or it is time."""
        now, known = time.monotonic(), len(self._driver.facts)
        if known == self._known and self._messages and now < self._contact:
            return False
        self._known, self._contact = known, now + _CONTACT_SECONDS
        return True

    def _dispatch(self, plan: RoundPlan) -> bool:
        """Send what can be sent; True when a closing round has nothing left that a node here could do."""
        offers = self._registry.work.offers()
        nodes = {key: flower for flower, key in self._lane.nodes().items()}
        leased = leased_work(plan.orders, self._registry.work.leases())
        self._forget_lost(leased, nodes)
        known = self._driver.facts
        in_flight = {sent.work_id: sent.node for sent in self._messages.values() if sent.work_id not in known}
        failures = self._failures
        failures.look(offers, nodes)
        ready = failures.ready(offers)
        barred = failures.barred | self._driver.closed
        owed = Owed.now(self._registry, barred)
        own = {work_id: order.model_copy(update={"round": self.round.id}) for work_id, order in owed.orders.items()}
        orders = own | plan.orders
        makers = self._makers.of(plan.orders, self._driver.authors, {offer.node for offer in offers})
        for node, work_id in match(orders, ready, nodes, in_flight, leased, failures.counts, owed.barred, makers):
            message = self._lane.send(nodes[node], self._seal(orders[work_id]))
            self._messages[message] = Sent(node, nodes[node], work_id, time.monotonic(), orders[work_id])
        undoable = stranded(plan.orders, failures.left(offers), nodes, barred)
        registry_works = plan.combinations or plan.inspections
        if self._driver.closing:
            return self._close(plan, plan.orders.keys() == undoable and not registry_works)
        refused = undoable - stranded(plan.orders, offers, nodes)
        at_work = self._messages or leased.keys() & plan.orders.keys() or registry_works
        self._give_up(plan, refused, offers, at_rest=plan.orders.keys() == undoable and not at_work)
        return False

    def _give_up(self, plan: RoundPlan, refused: Collection[str], offers: Sequence[Offer], at_rest: bool) -> None:
        """End the round when all that is left is work that every node that holds its data has refused.

        Counts that are refused because a budget is used up, and reviews of runs, end nothing: the round goes on without
        them.

        Raises:
            Refusal: naming the work and the nodes.
        """
        if not refused or not at_rest:
            self._refused_since = None
            return
        self._refused_since = self._refused_since or time.monotonic()
        if time.monotonic() - self._refused_since < _LAST_GRACE:
            return
        orders = [order for work_id, order in plan.orders.items() if work_id in refused]
        if uncounted := [order.assignment.digest for order in orders if self._is_uncounted(order, offers)]:
            _log.warning("%s questions are not counted: every node that holds their data refuses them", len(uncounted))
            self._driver.leave_uncounted(uncounted)
            return
        raise Refusal(self._refused_by_all(orders, offers))

    def _is_uncounted(self, order: Order, offers: Sequence[Offer]) -> bool:
        """Whether an order is a review, or asks for counts of which every node that holds the data has made enough."""
        if order.about is not None:
            return True
        reasons = self._failures.reasons(offers, order.assignment.digest, _fingerprint(order)).values()
        used_up = all(failure.code == "budget-used-up" for failure in reasons)
        return isinstance(order.assignment, Evaluate | Compare) and bool(reasons) and used_up

    def _refused_by_all(self, orders: Sequence[Order], offers: Sequence[Offer]) -> str:
        """The sentence about work that every node refused, with each node's reason."""
        sentences: dict[tuple[str, str], str] = {}
        for order in orders:
            found = self._failures.reasons(offers, order.assignment.digest, _fingerprint(order))
            for node, failure in found.items():
                sentences[node, failure.code] = self._failed_at(node, failure, order).sentence
        names = enumerated([order.label or order.assignment.kind for order in orders], MOST_NAMED)
        return f"nobody is left to do {names}: {'; '.join(list(sentences.values())[:MOST_NAMED])}"

    def _close(self, plan: RoundPlan, all_stranded: bool) -> bool:
        """After the deadline: end when everything is there that can be had."""
        if not all_stranded:
            self._stranded_since = None
            return False
        self._stranded_since = self._stranded_since or time.monotonic()
        if plan.orders and time.monotonic() - self._stranded_since < _GRACE:
            return False
        if reviews := [work_id for work_id, order in plan.orders.items() if order.about]:
            self._driver.leave_uncounted(reviews)  # what they would have told is not to be had any more
            return False
        return self._end(plan)

    def _end(self, plan: RoundPlan) -> bool:
        self._registry.rounds.move_round(self.round.id, ["running"], "done", self._driver.conclude(plan))
        return True

    def _receive(self) -> None:
        for reply in self._lane.poll():
            sent = self._messages.pop(reply.message, None)
            if sent is None or reply.lost:
                continue
            self._last_sign[sent.node] = now = time.monotonic()
            self._overtake(sent, now)
            failure = reply.refusal
            if failure is None:
                self._failures.succeeded(sent.node)
            else:
                self._failed(sent, failure)

    def _failed(self, sent: Sent, failure: Failure) -> None:
        self._failures.note(sent.node, sent.flower, sent.work_id, _fingerprint(sent.order), failure)
        failed = self._failed_at(sent.node, failure, sent.order)
        self._registry.rounds.note(self.round.id, "failure", sent.work_id, failed.to_json().decode())
        _log.warning("order %s failed: %s", sent.work_id[:12], failed.sentence)

    def _failed_at(self, node: str, failure: Failure, order: Order) -> Failed:
        digest = order.assignment.task
        if digest is None:
            return Failed.at(node, failure, None)
        if digest not in self._tasks:
            try:
                self._tasks[digest] = self._registry.definitions.task(digest)
            except Unreachable:
                return Failed.at(node, failure, None)
        return Failed.at(node, failure, self._tasks.get(digest))

    def _forget_lost(self, leased: Mapping[str, str], nodes: Mapping[str, int]) -> None:
        """Forget orders that were lost on their way, so that they are sent again: asking twice costs nothing.

        An order is lost when its node came back under another Flower id, has been silent for long, or has long had a
        later one: then something else has taken this one from its queue.
        """
        now = time.monotonic()
        self._last_sign.update(dict.fromkeys(leased.values(), now))
        at_work = [sent for sent in self._messages.values() if leased.get(sent.work_id) == sent.node]
        for sent in at_work:
            self._overtake(sent, now)
        for sent in at_work:
            sent.overtaken = math.inf
        for message, sent in list(self._messages.items()):
            came_back = nodes.get(sent.node, sent.flower) != sent.flower
            last_sign = min(max(sent.at, self._last_sign.get(sent.node, 0.0)), sent.overtaken)
            if came_back or now - last_sign > _SILENCE:
                del self._messages[message]

    def _overtake(self, later: Sent, now: float) -> None:
        """A node has an order: it has had those before it, since Flower keeps their order."""
        for sent in self._messages.values():
            if sent.node == later.node and sent.at < later.at:
                sent.overtaken = min(sent.overtaken, now)


def _fingerprint(order: Order) -> str:
    assignment = order.assignment
    assert isinstance(assignment, NodeAssignment), "only nodes' work is sent"
    return assignment.fingerprint
