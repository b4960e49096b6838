"""The answers of a worker to orders: it checks them, does the work on the open data, and pushes what came of it.

Why it could not do an order is in the worker's log in words; what it replies is a code and numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from contributor_client.activity import ActivityFile
from contributor_client.order_checks import Budget, Origins, accepted_order, refuse_beyond, refuse_beyond_disk
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from contributor_client.time_left import SPEED, DeviceSpeed, refuse_beyond_time
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, NodeAssignment
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.receipt import Disclosure
from ratatouille.exchange.signing import Signer
from ratatouille.failure import failure_of
from ratatouille.processes.locks import locked, worker_slot
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.kept import forget_old, forget_unfinished
from ratatouille.tasks.node import NodeData, NodeSettings, open_holdings
from ratatouille.training.saver import Saver
from registry.services.registry import Registry

_log = logging.getLogger(__name__)


class Worker:
    """The open data of the process, and its answers to orders. Data that cannot be opened stops no other work."""

    def __init__(
        self,
        settings: NodeSettings,
        paths: NodePaths,
        registry: Registry,
        offered: Sequence[str],
        saver: Saver | None = None,
        leave_at: float | None = None,
    ) -> None:
        """Open the data.

        Args:
            settings: of the node.
            paths: of the node.
            registry: to which the answers go.
            offered: the fingerprints that the node offers, one for each table of data, in their order.
            saver: saves the training at work when another thread says so.
            leave_at: when the node leaves, in seconds since 1970; None where its time has no limit.
        """
        self._leave_at, self._speed = leave_at, DeviceSpeed.read(paths.own / SPEED)
        self._settings = settings
        self._paths = paths
        self._registry = registry
        self._signer = Signer.open(paths.key)
        self._parking = Parking(paths.parked)
        self._budget = Budget(paths.budget, settings.networks_per_week)
        self._origins = Origins(registry)
        self._saver = saver
        self.activity = ActivityFile(paths.activity, lambda: registry.traffic)
        self._holdings: dict[str, LocalData] = {}
        self._closed: dict[str, Refusal] = {}
        """By fingerprint: why data that is offered was not opened."""
        self._tables = dict(zip(offered, settings.data, strict=True))
        for fingerprint in self._tables:
            self.open(fingerprint)

    def open(self, fingerprint: str) -> None:
        """Open one table of data, or note why it cannot be used."""
        table = self._tables[fingerprint]
        self._closed.pop(fingerprint, None)
        try:
            self._holdings[fingerprint] = self._opened(table, fingerprint)
        except Refusal as error:
            _log.warning("the data of task %s is not used: %s", table.task, error)
            self._closed[fingerprint] = error

    def _opened(self, table: NodeData, fingerprint: str) -> LocalData:
        one = self._settings.model_copy(update={"data": (table,)})
        (data,) = open_holdings(one, self._registry.definitions.task, self._paths.data).values()
        if data.holding.fingerprint != fingerprint:
            raise Refusal(
                f"the images, labels or groups of '{table.path}' are not those that the node offers; start the node "
                "again, and it offers what is there now",
                code="data-changed",
            )
        return data

    def handle(self, body: bytes) -> bytes:
        """Answer an order; everything that goes wrong becomes a code."""
        order = accepted_order(body, self._registry)
        _log.info("order: %s", order.label)
        hint = self._work(order)
        forget_old(self._paths.folder, most_bytes=self._settings.images_bytes)
        forget_unfinished(self._paths.folder)
        self.activity.end(hint.outcome in ("pushed", "known"))
        _log.info("%s: %s%s", order.label, hint.outcome, f", {hint.failure.code}" if hint.failure else "")
        return hint.to_json()

    def _work(self, order: Order) -> Hint:
        assignment, work_id = order.assignment, order.assignment.digest
        fingerprint = assignment.fingerprint if isinstance(assignment, NodeAssignment) else ""
        if waiting := self._parking.active(fingerprint):
            return Hint(work_id=work_id, outcome="refused", failure=waiting[0].failure)
        try:
            return self._answer(order, self._data(order))
        except RatatouilleError as error:
            return self._refuse(order, error)
        except Exception as error:
            _log.exception("%s was not done", order.label)
            self.activity.note_problem(f"{order.label}: {type(error).__name__}: {error}")
            self._parking.park(error, fingerprint)
            return Hint(work_id=work_id, outcome="failed", failure=failure_of(error))

    def _answer(self, order: Order, data: LocalData) -> Hint:
        from ratatouille.training import numerics

        numerics.apply()  # before timm is imported, which is then without torch's compiler
        from ratatouille.training.answer import answer

        fingerprint, settings = data.holding.fingerprint, self._settings

        def explain(error: RatatouilleError) -> None:
            self._refuse(order, error)

        self.activity.begin(data.task.name, order.label, order.round)
        at_once = min(settings.at_once, settings.cpus or settings.at_once)
        with self._alone(order.assignment.digest), worker_slot(settings.turns, at_once):
            hint: Hint = answer(
                order,
                data,
                self._registry,
                self._signer,
                self._paths.work,
                self.activity.progress,
                device=settings.devices[self._paths.worker],
                explain=explain,
                permit=lambda assignment: self._permit(order, assignment),
                on_message=_log.info,
                saver=self._saver,
            )
        if hint.outcome == "pushed":
            self._parking.free(fingerprint)
        return hint

    @contextmanager
    def _alone(self, work_id: str) -> Iterator[None]:
        """Wait while another worker of the node does this work; then it has an answer.

        An order that was given twice may reach two workers, and the lease that keeps other nodes away is the node's.
        """
        self._paths.at_work.mkdir(parents=True, exist_ok=True)
        with locked(self._paths.at_work / work_id, wait=True):
            yield

    def _permit(self, order: Order, assignment: NodeAssignment) -> Disclosure:
        """Spend the budget on this work; returns how much of the answer's counts may leave the node.

        Raises:
            Refusal: for a head that no node made, and for counts beyond the budget.
        """
        self._origins.check(order)
        within = self._budget.take(assignment)
        if not within and isinstance(assignment, Evaluate | Compare):
            raise Refusal(
                f"this node counts {self._settings.networks_per_week} networks a week on each table of data "
                "(networks_per_week), and these would be more; they are not counted",
                code="budget-used-up",
            )
        return Disclosure(smallest=self._settings.smallest_count, counts=within)

    def _data(self, order: Order) -> LocalData:
        """The data that an order is about; data that was parked, and is due again, is opened anew.

        Raises:
            Refusal: when it is not held, or cannot be used, or the order asks for more than the owner allows.
        """
        assignment = order.assignment
        if not isinstance(assignment, NodeAssignment):
            raise Refusal("only a node's work is ordered from a node", code="order-unusable")
        if assignment.fingerprint in self._closed:
            self.open(assignment.fingerprint)
        if assignment.fingerprint in self._closed:
            raise self._closed[assignment.fingerprint]
        if assignment.fingerprint not in self._holdings:
            raise Refusal("this node does not hold that data (any more)", code="data-not-held")
        if not self._settings.trains and assignment.kind not in ("evaluate", "compare"):
            raise Refusal("this node evaluates only (trains = false)", code="evaluates-only")
        data = self._holdings[assignment.fingerprint]
        held = sum(sum(row) for splits in data.holding.counts.values() for row in splits.values())
        refuse_beyond(self._settings.limits, assignment, held)
        refuse_beyond_disk(self._settings, assignment, held)
        refuse_beyond_time(self._leave_at, self._speed, assignment, data.holding)
        return data

    def _refuse(self, order: Order, error: RatatouilleError) -> Hint:
        _log.warning("%s is refused: %s", order.label, error)
        self.activity.note_problem(f"{order.label}: {error}")
        assignment = order.assignment
        fingerprint = assignment.fingerprint if isinstance(assignment, NodeAssignment) else ""
        self._parking.park(error, fingerprint)
        return Hint(work_id=assignment.digest, outcome="refused", failure=failure_of(error))
