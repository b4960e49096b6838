"""Answer an order: take the lease, fetch the inputs, perform, sign the receipt, push. For workers and rehearsals alike.

The push is the commit; the hint that is returned may be lost without harm. While the work goes on a thread renews the
lease and writes into it how far the work is. Of a registry this module needs what `Store` lists, and imports nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.assignment import Import, NodeAssignment, inputs_of
from ratatouille.exchange.change import has_closed
from ratatouille.exchange.dialect import PROTOCOL, disagreement
from ratatouille.exchange.membership import Lease, LeaseReturn
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.receipt import EVERYTHING, Disclosure, disclosed
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.failure import failure_of
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.task import Task
from ratatouille.training.outcome import receipt_of
from ratatouille.training.perform import Progress, clean, perform, refuse_other_dialect
from ratatouille.training.saver import Saver
from ratatouille.weights.architecture import Architecture

T = TypeVar("T")
LONGEST_PAUSE = 60.0
"""Seconds between two attempts to reach a registry that does not answer; the first pause is one second."""


class Answered(Protocol):
    """A registry's answer to a push: the receipt that stands as the answer, and its node."""

    @property
    def receipt(self) -> str | None:
        """Its digest."""

    @property
    def node(self) -> str | None:
        """Its node's key."""


class DefinitionStore(Protocol):
    """The definitions of a registry, as far as an answer needs them."""

    def architecture(self, digest: str) -> Architecture:
        """The architecture with this digest."""

    def task(self, name_or_digest: str) -> Task:
        """A task."""


class WeightStore(Protocol):
    """The weights of a registry, as far as an answer needs them."""

    def fetch(self, digest: str) -> Path:
        """A local file with these weights."""

    def push(self, sealed: Sealed, files: Mapping[str, Path]) -> Answered:
        """Commit a sealed receipt with its files."""


class WorkStore(Protocol):
    """Leases and answers of a registry, as far as an answer needs them."""

    def results(self, work_ids: Sequence[str]) -> Mapping[str, object]:
        """Those of these questions that have an answer."""

    def closures(self, work_ids: Sequence[str]) -> Sequence[Sealed]:
        """The signed closures that stand of these questions."""

    def lease(self, sealed: Sealed) -> Lease | None:
        """Take or renew a sealed `Lease`; None if another node has it or there is an answer."""

    def release(self, sealed: Sealed) -> None:
        """Give a lease back (a sealed `LeaseReturn`)."""


class Store(Protocol):
    """The part of a registry that an answer needs (`registry.open` gives it). It must bear calls from two threads."""

    @property
    def definitions(self) -> DefinitionStore:
        """Architectures and tasks."""

    @property
    def weights(self) -> WeightStore:
        """Weights."""

    @property
    def work(self) -> WorkStore:
        """Leases and answers."""


@dataclass(frozen=True)
class Timing:
    """Seconds that leases stand, between their renewals, of waiting for an absent registry, and between checkpoints."""

    lease: float = 20.0
    renew: float = 2.0
    patience: float = 24 * 3600.0
    checkpoint: float = 30.0


def answer(
    order: Order,
    data: LocalData,
    store: Store,
    signer: Signer,
    workspace: Path,
    progress: Progress | None = None,
    device: str = "auto",
    timing: Timing = Timing(),
    explain: Callable[[RatatouilleError], None] | None = None,
    permit: Callable[[NodeAssignment], Disclosure] = lambda _: EVERYTHING,
    on_message: Callable[[str], None] = lambda _: None,
    saver: Saver | None = None,
) -> Hint:
    """Answer an order with this node's data.

    `explain` gets the reason why the work was not done, in words that may name files and so stay on this machine.
    `permit` is called once the work is ours: it says how much of the counts is sent, or refuses. `on_message` gets a
    sentence that says whose answer stands, when another one came first. `saver` saves a training when it is told to.

    Returns:
        `pushed`; `known` when there was an answer already, or another one came first and ours is kept as a duplicate;
        `taken` when another node works on it; `refused` with a code when the work cannot be done here; `failed` when
        the registry was not reached for `timing.patience`. A lost lease does not stop the work.
    """
    work_id = order.assignment.digest
    try:
        return _answer(order, data, store, signer, workspace, progress, device, timing, permit, on_message, saver)
    except RatatouilleError as error:
        if isinstance(error, Refusal):
            clean(workspace, work_id)
        if explain is not None:
            explain(error)
        outcome: Literal["failed", "refused"] = "refused" if isinstance(error, Refusal) else "failed"
        return Hint(work_id=work_id, outcome=outcome, failure=failure_of(error))
    finally:
        data.release()


def _answer(
    order: Order,
    data: LocalData,
    store: Store,
    signer: Signer,
    workspace: Path,
    progress: Progress | None,
    device: str,
    timing: Timing,
    permit: Callable[[NodeAssignment], Disclosure],
    on_message: Callable[[str], None],
    saver: Saver | None,
) -> Hint:
    began = time.monotonic()
    assignment, work_id = order.assignment, order.assignment.digest
    if order.protocol != PROTOCOL:
        raise Refusal(
            disagreement(order.protocol, "the coordinator", "this node"),
            code="other-release",
            number=order.protocol,
        )
    if isinstance(assignment, Import):
        raise Refusal("an import is not work for a node; push the weights themselves")
    refuse_other_dialect(assignment)
    if patiently(lambda: store.work.results([work_id]), timing.patience):
        clean(workspace, work_id)  # a checkpoint of ours, if another node was faster
        return Hint(work_id=work_id, outcome="known")
    if has_closed(signer.node, work_id, patiently(lambda: store.work.closures([work_id]), timing.patience)):
        raise Refusal(
            "this node has closed the question, as its answer was withdrawn; `ratatouille withdraw --reopen` opens it",
            code="question-closed",
        )
    lease_keeper = LeaseKeeper(store, assignment, signer, inputs_of(assignment), timing)
    if not patiently(lease_keeper.renew, timing.patience):
        known = patiently(lambda: store.work.results([work_id]), timing.patience)
        return Hint(work_id=work_id, outcome="known" if known else "taken")

    def report(done: int, total: int, doing: str) -> None:
        lease_keeper.say(done, total, doing)
        if progress is not None:
            progress(done, total, doing)

    with lease_keeper.kept_up():
        disclosure = patiently(lambda: permit(assignment), timing.patience)
        report(0, 0, "fetching")
        data = data.current()
        architecture = patiently(lambda: store.definitions.architecture(assignment.architecture), timing.patience)
        task = patiently(lambda: store.definitions.task(assignment.task), timing.patience)
        start = {
            digest: patiently(lambda digest=digest: store.weights.fetch(digest), timing.patience)  # type: ignore[misc]
            for digest in inputs_of(assignment)
        }
        outcome = perform(
            assignment, task, architecture, data, start, workspace, report, device, timing.checkpoint, saver
        )
        whole = receipt_of(order, outcome, signer.node, time.monotonic() - began - outcome.seconds)
        receipt = disclosed(whole, disclosure)
        sealed = signer.seal(receipt)
        report(0, 0, "pushing")
        answered = patiently(lambda: store.weights.push(sealed, outcome.files), timing.patience)
    clean(workspace, work_id)
    if answered.receipt != receipt.digest:
        on_message(f"the answer of node {str(answered.node)[:12]}… came first and stands; ours is kept as a duplicate")
        return Hint(work_id=work_id, outcome="known")
    return Hint(work_id=work_id, outcome="pushed")


def patiently(attempt: Callable[[], T], patience: float) -> T:
    """Call until it does not raise Unreachable, with pauses of 1, 2, 4 … seconds, at most 60.

    Raises:
        Unreachable: the last one, when `patience` seconds have passed.
    """
    until, pause = time.monotonic() + patience, 1.0
    while True:
        try:
            return attempt()
        except Unreachable:
            if time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


class LeaseKeeper:
    """The lease on one question, with the progress that each renewal carries."""

    def __init__(
        self, store: Store, assignment: NodeAssignment, signer: Signer, needed: tuple[str, ...], timing: Timing
    ) -> None:
        self._store, self._signer, self._timing = store, signer, timing
        self._lease = Lease.on(assignment, signer.node, timing.lease, needed)

    def say(self, done: int, total: int, doing: str) -> None:
        """Set the progress that the next renewal carries."""
        self._lease = self._lease.model_copy(update={"done": done, "total": total, "doing": doing[:100]})

    def renew(self) -> bool:
        """Take or renew; False when another node has it, or the question has an answer."""
        lease = self._lease.model_copy(update={"issued": time.time()})
        return self._store.work.lease(self._signer.seal(lease)) is not None

    @contextmanager
    def kept_up(self) -> Iterator[None]:
        """Renew from a thread, and release at the end, however it comes."""
        over = threading.Event()

        def keep_up() -> None:
            while not over.wait(self._timing.renew):
                # a registry that is away for a while, or a lease that was lost, is no reason to stop working
                with suppress(RatatouilleError):
                    self.renew()

        thread = threading.Thread(target=keep_up, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with suppress(RatatouilleError):
                given = LeaseReturn(work_id=self._lease.work_id, node=self._lease.node, issued=time.time())
                self._store.work.release(self._signer.seal(given))
