"""The loop of a round over a lane and a registry in memory: a node that fails, and one that talks nonsense."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from coordinator.dispatch import Dispatch, Reply
from coordinator.rounds import RoundRunner
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.exchange.order import Failed, Hint, Order
from ratatouille.failure import Failure
from ratatouille.recipes.round import Round
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task
from registry.records import RoundRecord, RoundState
from tests.coordinator.test_driver import Memory, record
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import a_round, name

DISK = Failure(code="disk-full")


class Books(Memory):
    """A registry with one round and the offers of nodes that hold all its data."""

    def __init__(self, round: Round, *nodes: str) -> None:
        super().__init__()
        self.row = record(round, "running", 0.0)
        shares = (*round.training, *round.evaluation)
        holdings = tuple(
            Holding(task=round.task, task_name=round.target, counts={}, fingerprint=share.fingerprint)
            for share in shares
        )
        self._offers = [Offer(node=name(node), name=node, holdings=holdings, issued=0.0) for node in nodes]
        self.notes: list[str] = []

    def round(self, id_: str) -> RoundRecord:
        return self.row

    def move_round(self, id: str, expected: Sequence[RoundState], state: RoundState, reason: str = "") -> bool:
        self.row = self.row.model_copy(update={"state": state, "reason": reason})
        return True

    def offers(self) -> list[Offer]:
        return self._offers

    def leases(self) -> list[Lease]:
        return []

    def task(self, digest: str) -> Task:
        return Task(name="shapes", kind="target", classes=("circle", "square"), domains=("day", "night"))

    def note(self, round: str, kind: str, subject: str, text: str) -> None:
        super().note(round, kind, subject, text)
        if kind != "plan":
            self.notes.append(text)


class Lane:
    """Nodes by number; each answers an order as it is told to when it joins."""

    def __init__(self, books: Books, **nodes: bytes | None) -> None:
        self._books = books
        self._nodes = list(nodes.items())
        self._replies: list[Reply] = []

    def nodes(self) -> dict[int, str]:
        return {number: name(node) for number, (node, _) in enumerate(self._nodes)}

    def send(self, node: int, order: bytes) -> str:
        asked = Order.from_json(order)
        work_id, said = asked.assignment.digest, self._nodes[node][1]
        if said is None:
            self._books.answer({work_id: asked})
            said = Hint(work_id=work_id, outcome="pushed").to_json()
        message = f"{node} {work_id}"
        self._replies.append(Reply(node, message, body=said))
        return message

    def poll(self) -> Iterator[Reply]:
        replies, self._replies = self._replies, []
        return iter(replies)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.rounds.POLL_SECONDS", 0.0)


def finish(books: Books, **nodes: bytes | None) -> RoundRecord:
    RoundRunner(registry_of(books), books.row, cast(Dispatch, Lane(books, **nodes))).run()
    return books.row


def test_a_round_is_done_when_every_question_is_answered() -> None:
    books = Books(a_round("", ("soup",)), "anna")
    assert finish(books, anna=None).state == "done"
    assert not books.notes


@pytest.mark.parametrize("words", [b"nonsense", Hint(work_id=name("else"), outcome="refused", failure=DISK).to_json()])
def test_what_one_node_cannot_do_its_replica_does(words: bytes) -> None:
    books = Books(a_round("", ("soup",)), "anna", "bo")
    assert finish(books, anna=words, bo=None).state == "done"
    assert books.notes


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every look is a minute after the last one."""
    clock = itertools.count(0.0, 60.0)
    monkeypatch.setattr("coordinator.rounds.time.monotonic", lambda: next(clock))


@pytest.mark.usefixtures("soon")
def test_a_round_fails_when_nobody_is_left_and_says_which_work_nobody_can_do_and_why() -> None:
    books = Books(a_round("", ("soup",)), "anna", "bo")
    anna = Hint(work_id=name("else"), outcome="refused", failure=DISK)
    bo = Hint(work_id=name("else"), outcome="refused", failure=Failure(code="image-damaged", counts={"images": 3}))
    with pytest.raises(Refusal, match="nobody is left to do"):
        finish(books, anna=anna.to_json(), bo=bo.to_json())
    assert books.row.state == "failed"
    assert (
        f"node {name('anna')[:12]}, task shapes: the disk of the node cannot be written [disk-full]" in books.row.reason
    )
    assert "an image is damaged or cut off (3 images) [image-damaged]" in books.row.reason
    assert all(Failed.from_json(note) for note in books.notes)


@pytest.mark.usefixtures("soon")
def test_what_may_pass_is_tried_three_times_before_a_node_is_out_of_the_question() -> None:
    books = Books(a_round("", ("vanilla",)), "anna")
    died = Hint(work_id=name("else"), outcome="failed", failure=Failure(code="worker-died", counts={"attempts": 3}))
    with pytest.raises(Refusal, match="worker-died"):
        finish(books, anna=died.to_json())
    asked = Counter(subject for kind, subject in books.foretold if kind == "failure")
    assert set(asked.values()) == {3}


@pytest.mark.usefixtures("soon")
def test_words_of_a_node_are_kept_nowhere() -> None:
    books = Books(a_round("", ("soup",)), "anna")
    old = b'{"outcome":"refused","reason":"the image \'/home/anna/smith.png\' is damaged","work_id":"%s"}' % (b"0" * 64)
    with pytest.raises(Refusal, match="unreadable"):
        finish(books, anna=old)
    assert "smith" not in f"{books.notes} {books.row}"


class Slow(Lane):
    """Nodes that never reply; it counts how often it is looked at."""

    looks = 0

    def poll(self) -> Iterator[Reply]:
        self.looks += 1
        return iter(())


def test_flower_is_left_alone_while_nodes_work_and_nothing_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("coordinator.rounds.time.monotonic", lambda: clock[0])
    books = Books(a_round("", ("soup",)), "anna")
    lane = Slow(books, anna=b"never read")
    runner = RoundRunner(registry_of(books), books.row, cast(Dispatch, lane))
    for _ in range(10):
        assert not runner._turn()
    assert lane.looks == 1  # the order is out, and no answer came
    clock[0] += 3.0
    assert not runner._turn()
    assert lane.looks == 2
    books.answer(dict(runner._driver.gather().orders))
    assert not runner._turn()
    assert lane.looks == 3


class Robbed(Lane):
    """A node whose second order was taken from its queue; it is at work on the third one, and goes on with it."""

    def __init__(self, books: Books, **nodes: bytes | None) -> None:
        super().__init__(books, **nodes)
        self.orders: list[Order] = []

    def send(self, node: int, order: bytes) -> str:
        self.orders.append(Order.from_json(order))
        return super().send(node, order) if len(self.orders) == 1 else f"{node} {len(self.orders)}"


def test_an_order_that_was_taken_from_a_nodes_queue_is_sent_again_while_the_node_works_on_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, ticks = [0.0], itertools.count()
    monkeypatch.setattr("coordinator.rounds.time.monotonic", lambda: clock[0] + next(ticks) / 1e6)
    books = Books(a_round("", ("soup",)), "anna")
    lane = Robbed(books, anna=None)
    runner = RoundRunner(registry_of(books), books.row, cast(Dispatch, lane))
    monkeypatch.setattr(books, "leases", lambda: [Lease.on(one.assignment, name("anna")) for one in lane.orders[2:3]])
    while clock[0] < 150.0:
        clock[0] += 10.0
        assert not runner._turn()
    _, taken, later = lane.orders
    while len(lane.orders) == 3 and clock[0] < 400.0:
        clock[0] += 10.0
        assert not runner._turn()
    assert [one.assignment for one in lane.orders[3:]] == [taken.assignment]
    assert later.assignment != taken.assignment


class CountsNoMore(Lane):
    """Nodes that train, and whose owners' budgets of counts are used up."""

    def send(self, node: int, order: bytes) -> str:
        asked = Order.from_json(order)
        if not isinstance(asked.assignment, Evaluate | Compare):
            return super().send(node, order)
        work_id, failure = asked.assignment.digest, Failure(code="budget-used-up")
        message = f"{node} {work_id}"
        hint = Hint(work_id=work_id, outcome="refused", failure=failure)
        self._replies.append(Reply(node, message, body=hint.to_json()))
        return message


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("recipes", [("soup",), ("vanilla", "soup", "greedy_soup", "ensemble", "wise_ft")])
def test_a_round_goes_on_without_what_nodes_do_not_count_any_more(recipes: tuple[str, ...]) -> None:
    books = Books(a_round("", recipes), "anna", "bo")
    RoundRunner(registry_of(books), books.row, cast(Dispatch, CountsNoMore(books, anna=None, bo=None))).run()
    assert books.row.state == "done"
    assert "questions not counted, since nodes had counted as much as their owners allow" in books.row.reason
    assert {Failed.from_json(note).failure.code for note in books.notes} == {"budget-used-up"}
