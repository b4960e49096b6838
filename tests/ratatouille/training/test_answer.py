"""From an order to a push, with a registry that has everything in a dictionary."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.exchange.assignment import Cell, Import, NodeAssignment, inputs_of
from ratatouille.exchange.change import Close
from ratatouille.exchange.membership import Lease, LeaseReturn, activity
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.failure import Failure
from ratatouille.record import sha256
from ratatouille.tasks.data import open_data
from ratatouille.tasks.kept import kept_in
from ratatouille.tasks.task import Task
from ratatouille.training.answer import Timing, answer, patiently
from ratatouille.weights.architecture import Architecture
from tests.ratatouille.training.setup import TrainingSetup

QUICK = Timing(lease=5.0, renew=0.02, patience=3.0)
EVERY_STEP = replace(QUICK, checkpoint=0.0)


@dataclass
class Stands:
    """What the registry in memory says of a push."""

    receipt: str
    node: str


@dataclass
class Shelf:
    """A registry in memory; it is away for the first `away` calls of `push`, and `thief` takes a lease at a renewal."""

    setup: TrainingSetup
    receipts: dict[str, Receipt] = field(default_factory=dict)
    pushed: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, Lease] = field(default_factory=dict)
    seen: list[Lease] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    away: int = 0
    refusing: str = ""
    closed: list[Sealed] = field(default_factory=list)
    thief: str = ""
    first: Receipt | None = None
    """An answer that came while the work went on."""

    @property
    def definitions(self) -> Shelf:
        return self

    @property
    def weights(self) -> Shelf:
        return self

    @property
    def work(self) -> Shelf:
        return self

    def architecture(self, digest: str) -> Architecture:
        assert digest == self.setup.architecture.digest
        return self.setup.architecture

    def task(self, name_or_digest: str) -> Task:
        return self.setup.task

    def fetch(self, digest: str) -> Path:
        if digest in self.setup.start:
            return self.setup.start[digest]
        raise Refusal(f"there are no weights {digest[:12]}…")

    def results(self, work_ids: Sequence[str]) -> Mapping[str, object]:
        return {work_id: self.receipts[work_id] for work_id in work_ids if work_id in self.receipts}

    def closures(self, work_ids: Sequence[str]) -> Sequence[Sealed]:
        return self.closed

    def lease(self, sealed: Sealed) -> Lease | None:
        lease = unseal(sealed, Lease)
        self.seen.append(lease)
        if self.thief and len(self.seen) > 1:
            self.held[lease.work_id] = lease.model_copy(update={"node": self.thief})
        holder = self.held.get(lease.work_id)
        if lease.work_id in self.receipts or (holder and holder.node != lease.node and holder.seconds > 0):
            return None
        self.held[lease.work_id] = lease
        return lease

    def release(self, sealed: Sealed) -> None:
        self.released.append(unseal(sealed, LeaseReturn).work_id)

    def push(self, sealed: Sealed, files: Mapping[str, Path]) -> Stands:
        if self.away > 0:
            self.away -= 1
            raise Unreachable("the registry does not answer")
        if self.refusing:
            raise Refusal(self.refusing)
        receipt = unseal(sealed, Receipt)
        self.pushed |= {digest: path.read_bytes() for digest, path in files.items()}
        first = self.receipts.setdefault(receipt.work_id, self.first or receipt)
        return Stands(first.digest, first.node)


@pytest.fixture
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def _words(said: list[str]) -> Callable[[RatatouilleError], None]:
    """Note what is said of refusals on the node itself."""
    return lambda error: said.append(str(error))


def order_of(assignment: NodeAssignment | Import) -> Order:
    return Order(round="r1", assignment=assignment, parents=("a" * 64, "b" * 64))


def test_an_order_ends_with_a_signed_receipt_and_its_files(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf, order = Shelf(setup), order_of(setup.fine_tune())
    told: list[str] = []
    hint = answer(
        order, setup.data, shelf, signer, tmp_path, lambda done, total, doing: told.append(doing), timing=EVERY_STEP
    )
    assert hint.outcome == "pushed", hint.failure
    receipt = shelf.receipts[order.assignment.digest]
    assert receipt.assignment == order.assignment
    assert (receipt.parents, receipt.node) == (order.parents, signer.node)
    assert set(shelf.pushed) == {receipt.featurizer, receipt.head}
    assert all(sha256(data) == digest for digest, data in shelf.pushed.items())
    assert [point.step for point in receipt.curve] == [0, 2, 4, 6]
    assert receipt.seconds > 0
    assert receipt.overhead > 0
    assert (told[0], told[-1]) == ("fetching", "pushing")
    assert [activity(doing) for doing in told] == told  # what leases may say
    assert shelf.released == [order.assignment.digest]
    assert not list((tmp_path / "checkpoints").iterdir())
    assert not list((tmp_path / "results").iterdir())


def test_the_lease_is_renewed_with_the_progress_and_its_inputs(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf, assignment = Shelf(setup), setup.fine_tune(steps=24)
    assert answer(order_of(assignment), setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "pushed"
    training = [lease for lease in shelf.seen if lease.doing.startswith("training")]
    assert training
    assert all(lease.total == 24 and lease.node == signer.node for lease in training)
    assert [lease.done for lease in training] == sorted(lease.done for lease in training)
    assert {lease.seconds for lease in shelf.seen} == {QUICK.lease}
    assert {lease.inputs for lease in shelf.seen} == {inputs_of(assignment)}


@pytest.mark.parametrize("kind", ["probe", "evaluate"])
def test_probes_and_evaluations_are_answered_too(
    setup: TrainingSetup, signer: Signer, tmp_path: Path, kind: str
) -> None:
    assignment = setup.probe() if kind == "probe" else setup.evaluate(Cell(domain="sketch", split="all"))
    shelf = Shelf(setup)
    assert answer(order_of(assignment), setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "pushed"
    receipt = shelf.receipts[assignment.digest]
    assert receipt.makes_weights == (receipt.head is not None) == (kind == "probe")
    assert [evaluation.count for evaluation in receipt.evaluations] == ([8, 8] if kind == "probe" else [36])


def test_a_question_with_an_answer_is_not_worked_on_again(setup: TrainingSetup, signer: Signer, tmp_path: Path) -> None:
    shelf, order = Shelf(setup), order_of(setup.probe())
    answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK)
    again = answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK)
    assert again.outcome == "known"
    assert len(shelf.released) == 1


def test_a_question_that_its_own_key_has_closed_is_refused_before_any_work(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf, order = Shelf(setup), order_of(setup.probe())
    close = Close(question=order.assignment.digest, at=1.0)
    shelf.closed = [signer.seal(close)]
    hint = answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK)
    assert hint.outcome == "refused"
    assert hint.failure is not None
    assert hint.failure.code == "question-closed"
    assert shelf.seen == []
    other = Signer.open(tmp_path / "other.key")
    shelf.closed = [other.seal(close), signer.seal(close.model_copy(update={"question": "0" * 64}))]
    assert answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "pushed"


def test_a_question_that_another_node_works_on_is_left_to_it(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf, order = Shelf(setup), order_of(setup.probe())
    other = Lease(work_id=order.assignment.digest, node="c" * 64, seconds=60)
    shelf.held[other.work_id] = other
    assert answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "taken"
    assert shelf.released == []
    assert shelf.held[other.work_id] == other


def test_a_lost_lease_does_not_stop_the_work(setup: TrainingSetup, signer: Signer, tmp_path: Path) -> None:
    shelf, order = Shelf(setup, thief="c" * 64), order_of(setup.fine_tune(steps=20))
    assert answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "pushed"
    assert shelf.held[order.assignment.digest].node == "c" * 64
    assert order.assignment.digest in shelf.receipts


def test_a_node_is_told_that_another_answer_came_first(setup: TrainingSetup, signer: Signer, tmp_path: Path) -> None:
    shelf, order = Shelf(setup), order_of(setup.probe())
    answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK)
    theirs = shelf.receipts[order.assignment.digest].model_copy(update={"node": "c" * 64})
    late = Shelf(setup, first=theirs)
    said: list[str] = []
    hint = answer(order, setup.data, late, signer, tmp_path, timing=QUICK, on_message=said.append)
    assert hint.outcome == "known"
    assert said == ["the answer of node cccccccccccc… came first and stands; ours is kept as a duplicate"]


def test_a_registry_that_is_away_for_a_while_is_waited_for(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf, order = Shelf(setup, away=1), order_of(setup.probe())
    assert answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK).outcome == "pushed"


def test_a_registry_that_stays_away_leaves_the_checkpoint(setup: TrainingSetup, signer: Signer, tmp_path: Path) -> None:
    shelf, order = Shelf(setup, away=1000), order_of(setup.fine_tune())
    said: list[str] = []
    hint = answer(
        order,
        setup.data,
        shelf,
        signer,
        tmp_path,
        timing=Timing(patience=0.0, checkpoint=0.0),
        explain=_words(said),
    )
    assert (hint.outcome, hint.failure) == ("failed", Failure(code="registry-unreachable"))
    assert said == ["the registry does not answer"]
    assert (tmp_path / "checkpoints" / f"{order.assignment.digest}.checkpoint").exists()
    assert shelf.released == [order.assignment.digest]


def test_what_cannot_be_done_is_refused_with_a_code_and_the_lease_given_back(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    order = order_of(setup.fine_tune(learning_rate=1e30, warmup=0))
    shelf = Shelf(setup)
    said: list[str] = []
    hint = answer(
        order,
        setup.data,
        shelf,
        signer,
        tmp_path,
        timing=EVERY_STEP,
        explain=_words(said),
    )
    assert (hint.outcome, hint.failure) == ("refused", Failure(code="training-diverged"))
    assert "lower the learning rate" in said[0]
    assert shelf.released == [order.assignment.digest]
    assert not list((tmp_path / "checkpoints").iterdir())
    rejected = answer(order_of(setup.probe()), setup.data, Shelf(setup, refusing="no"), signer, tmp_path, timing=QUICK)
    assert (rejected.outcome, rejected.failure) == ("refused", Failure(code="refused"))


def test_orders_in_another_dialect_are_refused_before_a_lease_is_taken(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    shelf = Shelf(setup)
    foreign = order_of(setup.probe()).model_copy(update={"protocol": 99})
    imported = order_of(Import(architecture="0" * 64, featurizer="0" * 64, source="a friend"))
    revised = order_of(setup.probe(revision=99))
    for order, sentence in (
        (foreign, "speaks protocol 99"),
        (imported, "not work for a node"),
        (revised, "revision 99"),
    ):
        said: list[str] = []
        hint = answer(order, setup.data, shelf, signer, tmp_path, timing=QUICK, explain=_words(said))
        assert hint.outcome == "refused"
        assert sentence in said[0]
    assert shelf.seen == []


def test_patience_ends_and_other_errors_pass_at_once() -> None:
    calls: list[int] = []

    def away() -> None:
        calls.append(1)
        raise Unreachable("away")

    with pytest.raises(Unreachable, match="away"):
        patiently(away, 1.5)
    assert len(calls) == 2

    def wrong() -> None:
        raise Refusal("wrong")

    with pytest.raises(Refusal, match="wrong"):
        patiently(wrong, 100)


def test_images_that_changed_since_they_were_offered_are_refused_before_any_work(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    settings = setup.data.settings
    assert settings is not None
    own = settings.model_copy(update={"path": tmp_path / "images"})
    shutil.copytree(settings.path, own.path)
    data = open_data(setup.task, own, tmp_path / "data")
    data.images(32)
    shelf, order = Shelf(setup), order_of(setup.probe())
    first = next(own.path.glob("day/*/*"))
    first.rename(next(one for one in own.path.glob("day/*") if one != first.parent) / "moved.png")
    for _ in range(2):
        hint = answer(order, data, shelf, signer, tmp_path / "work", timing=QUICK)
        assert (hint.outcome, shelf.receipts) == ("refused", {})
        assert hint.failure is not None
        assert hint.failure.code == "data-changed"
        assert str(tmp_path) not in hint.to_json().decode()


def test_without_an_image_cache_the_answer_is_the_same_and_no_copy_is_left(
    setup: TrainingSetup, signer: Signer, tmp_path: Path
) -> None:
    assert setup.data.settings is not None
    data = open_data(setup.task, setup.data.settings, tmp_path / "data", image_cache=False)
    for assignment in (setup.probe(), setup.fine_tune(), setup.evaluate(Cell(domain="sketch", split="all"))):
        usual, careful = Shelf(setup), Shelf(setup)
        answer(order_of(assignment), setup.data, usual, signer, tmp_path / "usual", timing=QUICK)
        answer(order_of(assignment), data, careful, signer, tmp_path / "work", timing=QUICK)
        assert careful.pushed == usual.pushed
        assert careful.receipts[assignment.digest].evaluations == usual.receipts[assignment.digest].evaluations
    kept = {one.what for one in kept_in(tmp_path)}
    assert kept == {"paths and hashes of images", "records of trainings"}
