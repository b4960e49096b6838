"""Replies count if the node sealed them for the order, and change nothing otherwise: over a Grid that is made up.

A stranger who copied a header of Flower's node authentication can reply in the node's name, and take its orders.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from flwr.app import Message
from flwr.app.error import Error
from flwr.app.message import make_message
from flwr.common.constant import ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid

from coordinator.dispatch import Dispatch
from coordinator.evaluations import run_evaluations
from coordinator.rounds import RoundRunner
from ratatouille.errors import Unreachable
from ratatouille.exchange.bundle import INTRODUCE, pack, unpack
from ratatouille.exchange.order import Failed, Hint, Order, introduce, seal_reply
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.failure import Failure
from ratatouille.record import sha256
from registry.records import RoundRecord
from tests.coordinator.test_evaluations import Owing
from tests.coordinator.test_replies import metadata
from tests.coordinator.test_rounds import Books
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import a_round

DISK = Failure(code="disk-full")
REFUSED = Hint(work_id="0" * 64, outcome="refused", failure=DISK).to_json()
STRANGER = Signer.of_seed(b"s" * 32)
Reply = bytes | Error
Says = Callable[[Signer, str, bytes], Reply]
"""What comes as the reply of a node to a message that carries an order."""


@dataclass
class MadeUpGrid:
    """A Grid whose nodes reply at once; the clock goes on by half a second at each look."""

    books: Books
    says: dict[str, list[Says]]
    """By name of a node, what comes as its replies to each of its orders; from then on it does the work."""
    now: float = 0.0
    sent: dict[bytes, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each order was sent."""
    run: Any = field(default_factory=lambda: SimpleNamespace(run_id=5))
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    """Each question who a node is, and which it was sent to."""
    messages: int = 0

    def __post_init__(self) -> None:
        self.signers = {name: Signer.of_seed(name.encode().ljust(32)) for name in self.says}
        offers = zip(self.books.offers(), self.signers.values(), strict=True)
        self.books._offers = [offer.model_copy(update={"node": signer.node}) for offer, signer in offers]

    def clock(self) -> float:
        return self.now

    def get_nodes(self) -> list[NodeInfo]:
        self.now += 0.5
        return [NodeInfo(node_id=number, public_key=name.encode()) for number, name in enumerate(self.says)]

    def entered(self) -> dict[bytes, str]:
        return {name.encode(): signer.node for name, signer in self.signers.items()}

    def push_messages(self, messages: Iterable[Any]) -> list[str]:
        (message,) = messages
        self.messages += 1
        id, (name, signer) = sha256(b"%d" % self.messages), list(self.signers.items())[message.dst_node_id]
        if message.message_type == INTRODUCE:
            self.asked[id] = message.dst_node_id
            self.replies[id] = introduce(signer, message.dst_node_id, self.run.run_id)
        else:
            self.replies[id] = self._reply(name, signer, id, unpack(message.content))
        return [id]

    def _reply(self, name: str, signer: Signer, id: str, body: bytes) -> Reply:
        self.sent[body].append(self.now)
        attempt, says = len(self.sent[body]) - 1, self.says[name]
        if attempt < len(says):
            return says[attempt](signer, id, body)
        order = Order.from_json(body)
        self.books.answer({order.assignment.digest: order})
        return seal_reply(signer, id, body, Hint(work_id=order.assignment.digest, outcome="pushed").to_json())

    def pull_messages(self, ids: Iterable[str]) -> Iterator[Message]:
        for id in ids:
            if (reply := self.replies.pop(id, None)) is not None:
                content = {"error": reply} if isinstance(reply, Error) else {"content": pack(reply)}
                yield make_message(metadata=metadata(id), **cast(Any, content))


def of_another_order(signer: Signer, id: str, order: bytes) -> Reply:
    return seal_reply(signer, id, order + b" ", REFUSED)


def altered(signer: Signer, id: str, order: bytes) -> Reply:
    true = Sealed.from_json(seal_reply(signer, id, order, Failure(code="unexpected")))
    return true.model_copy(update={"body": true.body.replace("unexpected", DISK.code)}).to_json()


FORGED: dict[str, Says] = {
    "a hint without a signature": lambda signer, id, order: REFUSED,
    "nonsense": lambda signer, id, order: b"/home/anna",
    "an error with a failure": lambda signer, id, order: Error(2, DISK.to_json().decode()),
    "an error as of Flower": lambda signer, id, order: Error(ErrorCode.NODE_UNAVAILABLE, "no heartbeat"),
    "another key": lambda signer, id, order: seal_reply(STRANGER, id, order, REFUSED),
    "another key's failure": lambda signer, id, order: Error(2, seal_reply(STRANGER, id, order, DISK).decode()),
    "an earlier reply of the node": lambda signer, id, order: seal_reply(signer, "earlier", order, REFUSED),
    "the node's reply to another order": of_another_order,
    "an altered failure": altered,
}
TRUE: dict[str, Says] = {
    "a hint": lambda signer, id, order: seal_reply(signer, id, order, REFUSED),
    "an error": lambda signer, id, order: Error(2, seal_reply(signer, id, order, DISK).decode()),
}


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # Flower's own messages can be made inside of a run only.
    monkeypatch.setattr(
        "coordinator.dispatch.Message", lambda content, **named: SimpleNamespace(content=content, **named)
    )
    monkeypatch.setattr("coordinator.rounds._CONTACT_SECONDS", 0.0)
    monkeypatch.setattr("coordinator.rounds.POLL_SECONDS", 0.0)
    monkeypatch.setattr("coordinator.evaluations.POLL_SECONDS", 0.0)


def finish(grid: MadeUpGrid) -> RoundRecord:
    lane = Dispatch(cast(Grid, grid), clock=grid.clock)
    RoundRunner(registry_of(grid.books), grid.books.row, lane).run()
    return grid.books.row


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_failure_is_no_event_and_keeps_no_node_from_its_work(
    forgery: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "coordinator.dispatch")
    grid = MadeUpGrid(Books(a_round("", ("vanilla",)), "anna"), {"anna": [FORGED[forgery]] * 4})
    assert finish(grid).state == "done"
    assert grid.books.notes == []
    assert {len(times) for times in grid.sent.values()} == {5}
    said = [one.getMessage() for one in caplog.records if "does not count" in one.getMessage()]
    assert said
    assert all(grid.signers["anna"].node[:12] in one and "anna" not in one for one in said)
    assert len(said) < grid.now / 60.0 + 2, "one line a minute"


def test_an_order_whose_reply_does_not_count_is_given_again_ever_more_slowly() -> None:
    forged = FORGED["a hint without a signature"]
    grid = MadeUpGrid(Books(a_round("", ("linear_probe",)), "anna"), {"anna": [forged] * 8})
    assert finish(grid).state == "done"
    times = next(iter(grid.sent.values()))
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (2, 4, 8, 16, 32, 60, 60, 60), strict=True))


@pytest.mark.parametrize("way", TRUE)
def test_a_failure_that_the_node_sealed_counts_and_another_node_does_the_work(way: str) -> None:
    grid = MadeUpGrid(Books(a_round("", ("vanilla",)), "anna", "bo"), {"anna": [TRUE[way]] * 99, "bo": []})
    assert finish(grid).state == "done"
    failed = [Failed.from_json(note) for note in grid.books.notes]
    assert failed
    assert all((one.node, one.failure) == (grid.signers["anna"].node, DISK) for one in failed)


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_failure_keeps_no_node_from_an_evaluation_that_is_owed(forgery: str) -> None:
    grid = MadeUpGrid(Owing(a_round("", ("soup",)), "anna"), {"anna": [FORGED[forgery]] * 3})
    run_evaluations(registry_of(grid.books), Dispatch(cast(Grid, grid), clock=grid.clock), Order.to_json)
    assert grid.books.obligations() == []


@pytest.mark.parametrize("way", TRUE)
def test_a_failure_that_the_node_sealed_ends_an_evaluation_for_this_run(way: str) -> None:
    grid = MadeUpGrid(Owing(a_round("", ("soup",)), "anna"), {"anna": [TRUE[way]] * 99})
    run_evaluations(registry_of(grid.books), Dispatch(cast(Grid, grid), clock=grid.clock), Order.to_json)
    assert [len(times) for times in grid.sent.values()] == [1]
    assert len(grid.books.obligations()) == 1


@pytest.mark.parametrize("forged", [b"nonsense", None])
def test_a_node_whose_introductions_a_stranger_answered_or_took_is_asked_again(forged: Reply | None) -> None:
    grid = MadeUpGrid(Books(a_round("", ("soup",)), "anna"), {"anna": []})
    lane = Dispatch(cast(Grid, grid), clock=grid.clock)
    assert lane.nodes() == {}
    grid.replies = {} if forged is None else dict.fromkeys(grid.replies, forged)
    asked = grid.messages
    for _ in range(30):
        lane.poll()
        assert lane.nodes() == {}
    assert grid.messages == asked
    grid.now += 240.0
    lane.nodes()
    lane.poll()
    assert lane.nodes() == {0: grid.signers["anna"].node}


def by_a_stranger(grid: MadeUpGrid, id: str) -> Reply:
    return introduce(STRANGER, 0, grid.run.run_id)


def by_another_member(grid: MadeUpGrid, id: str) -> Reply:
    return introduce(grid.signers["bo"], 0, grid.run.run_id)


def a_failure_of_a_stranger(grid: MadeUpGrid, id: str) -> Reply:
    return Error(2, seal_reply(STRANGER, id, b"", DISK).decode())


def an_error_without_a_seal(grid: MadeUpGrid, id: str) -> Reply:
    return Error(2, DISK.to_json().decode())


SPOILED = [by_a_stranger, by_another_member, a_failure_of_a_stranger, an_error_without_a_seal]
"""What a stranger, or a member, answers through a captured header of anna's node to the question who it is."""


@pytest.mark.parametrize("forged", SPOILED)
def test_an_introduction_through_the_flower_key_of_another_node_changes_nothing(
    forged: Callable[[MadeUpGrid, str], Reply], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "coordinator.dispatch")
    grid = MadeUpGrid(Books(a_round("", ("soup",)), "anna", "bo"), {"anna": [], "bo": []})
    anna, bo = (signer.node for signer in grid.signers.values())
    lane = Dispatch(cast(Grid, grid), clock=grid.clock, entered=grid.entered)
    lane.nodes()
    first = next(iter(grid.replies))  # the node's own answers to the other questions come later
    grid.replies[first] = forged(grid, first)
    lane.poll()
    assert lane.nodes() == {0: anna, 1: bo}
    said = [one.getMessage() for one in caplog.records if "introduction is ignored" in one.getMessage()]
    assert all(f"is of node {anna[:12]}" in one for one in said)
    assert bool(said) == (forged in (by_a_stranger, by_another_member))


@pytest.mark.parametrize("forged", SPOILED)
def test_a_node_gets_its_orders_though_a_stranger_answers_all_first_questions_in_its_name(
    forged: Callable[[MadeUpGrid, str], Reply],
) -> None:
    grid = MadeUpGrid(Books(a_round("", ("linear_probe",)), "anna", "bo"), {"anna": [], "bo": []})
    lane = Dispatch(cast(Grid, grid), clock=grid.clock, entered=grid.entered)
    for _ in range(3):  # and the first ones that follow
        lane.nodes()
        mine = [id for id, node in grid.asked.items() if node == 0 and id in grid.replies]
        assert mine
        grid.replies |= {id: forged(grid, id) for id in mine}
        lane.poll()
        assert grid.signers["anna"].node not in lane.nodes().values()
        grid.replies = {id: forged(grid, id) if grid.asked[id] == 0 else reply for id, reply in grid.replies.items()}
        lane.poll()
        grid.now += 60.0
    asked = grid.messages
    lane.nodes()
    lane.poll()
    assert sorted(lane.nodes()) == [0, 1]
    assert grid.messages == asked + 1
    RoundRunner(registry_of(grid.books), grid.books.row, lane).run()
    assert grid.books.row.state == "done"
    assert grid.sent


def test_introductions_wait_while_the_registry_cannot_say_whose_a_flower_key_is() -> None:
    grid = MadeUpGrid(Books(a_round("", ("soup",)), "anna"), {"anna": []})
    away = True

    def entered() -> dict[bytes, str]:
        if away:
            raise Unreachable("no registry answers")
        return grid.entered()

    lane = Dispatch(cast(Grid, grid), clock=grid.clock, entered=entered)
    lane.nodes()
    lane.poll()
    assert lane.nodes() == {}
    away = False
    lane.poll()
    assert lane.nodes() == {0: grid.signers["anna"].node}
