"""Evaluations that are owed, worked off by nodes that are here: alone, beside a round, and what nobody does."""

from collections.abc import Sequence
from typing import cast

import pytest

from coordinator.dispatch import Dispatch
from coordinator.evaluations import Owed, run_evaluations
from ratatouille.exchange.change import Close
from ratatouille.exchange.order import Hint, Order
from ratatouille.exchange.signing import Sealed
from ratatouille.recipes.round import Round
from registry.records import Obligation, RoundRecord, RoundState
from tests.coordinator.test_matching import evaluate
from tests.coordinator.test_rounds import DISK, Books, Lane, finish
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import a_round, name


class Owing(Books):
    """A registry that owes an evaluation on the data of its nodes."""

    def __init__(self, round: Round, *nodes: str) -> None:
        super().__init__(round, *nodes)
        data = round.training[0].fingerprint
        order = evaluate("any")
        work = order.assignment.model_copy(update={"fingerprint": data, "task": round.task})
        self.order = Order(round="evaluations", assignment=work, parents=(name("v"),))
        self.work_id = work.digest
        self.owed = [Obligation(work_id=work.digest, version=name("v"), order=self.order, created=0.0)]
        self.running: list[RoundRecord] = []

    def rounds(self, states: Sequence[RoundState] = (), limit: int = 1) -> list[RoundRecord]:
        return self.running


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.rounds.POLL_SECONDS", 0.0)
    monkeypatch.setattr("coordinator.evaluations.POLL_SECONDS", 0.0)


def work_off(books: Owing, **nodes: bytes | None) -> None:
    run_evaluations(registry_of(books), cast(Dispatch, Lane(books, **nodes)), Order.to_json)


def test_what_is_owed_is_counted_by_a_node_and_the_run_ends() -> None:
    books = Owing(a_round("", ("soup",)), "anna")
    work_off(books, anna=None)
    assert books.obligations() == []


def test_what_one_node_does_not_do_another_one_does() -> None:
    refused = Hint(work_id=name("else"), outcome="refused", failure=DISK).to_json()
    books = Owing(a_round("", ("soup",)), "anna", "bo")
    work_off(books, anna=refused, bo=None)
    assert books.obligations() == []


def test_a_run_ends_when_nobody_does_it_or_a_round_is_asked_for() -> None:
    refused = Hint(work_id=name("else"), outcome="refused", failure=DISK).to_json()
    books = Owing(a_round("", ("soup",)), "anna")
    work_off(books, anna=refused)
    assert len(books.obligations()) == 1
    books.running = [books.row]
    work_off(books, anna=None)
    assert len(books.obligations()) == 1


def test_a_round_sends_them_along_and_does_not_fail_with_them() -> None:
    books = Owing(a_round("", ("soup",)), "anna")
    assert finish(books, anna=None).state == "done"
    assert books.obligations() == []


def test_who_has_closed_an_evaluation_is_not_asked_for_it() -> None:
    books = Owing(a_round("", ("soup",)), "anna")
    close = Close(question=books.work_id, at=1.0).to_json().decode()
    books.closed[books.work_id] = Sealed(body=close, node=name("anna"), signature="0" * 128)
    assert Owed.now(registry_of(books)).orders == {}
    books.closed[books.work_id] = Sealed(body=close, node=name("bo"), signature="0" * 128)
    assert books.work_id in Owed.now(registry_of(books)).orders


def test_whom_a_comparison_is_about_is_asked_only_where_nobody_else_has_the_data() -> None:
    books = Owing(a_round("", ("soup",)), "anna", "bo")
    books.owed = [books.owed[0].model_copy(update={"makers": (name("anna"),)})]
    assert Owed.now(registry_of(books)).barred == {(name("anna"), books.work_id)}
    books = Owing(a_round("", ("soup",)), "anna")
    books.owed = [books.owed[0].model_copy(update={"makers": (name("anna"),)})]
    assert Owed.now(registry_of(books)).barred == frozenset()
    work_off(books, anna=None)
    assert books.obligations() == []


class Late(Lane):
    """A lane on which anna introduces herself after bo."""

    looks = 0

    def nodes(self) -> dict[int, str]:
        self.looks += 1
        return {flower: key for flower, key in super().nodes().items() if key != name("anna") or self.looks > 2}


def test_a_run_waits_for_a_node_with_the_data_that_introduces_itself_after_another_one() -> None:
    books = Owing(a_round("", ("soup",)), "anna")
    run_evaluations(registry_of(books), cast(Dispatch, Late(books, anna=None, bo=None)), Order.to_json)
    assert books.obligations() == []
