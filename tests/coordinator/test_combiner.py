"""Combinations that are under way while a round goes on: what is begun, dropped, raised, and what a death leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from coordinator.combiner import Combiner
from coordinator.dispatch import Dispatch
from coordinator.driver import RoundDriver
from coordinator.rounds import RoundRunner
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.cancellation import check_cancelled
from registry.commands.verify import audit
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.coordinator.test_driver import Memory, record, soup, trainings
from tests.coordinator.test_rounds import Books, Lane
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import a_round, name
from tests.registry.world import World


class Slow:
    """Makes combinations only when it is let; `made` counts what was begun."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.begun = threading.Event()
        self.made: list[str] = []
        self.error: Exception | None = None

    def __call__(self, combination: Combination) -> Result:
        self.made.append(combination.work_id)
        self.begun.set()
        while not self.let.wait(0.01):
            check_cancelled()
        if self.error is not None:
            raise self.error
        return Result(work_id=combination.work_id, version=name(combination.work_id))


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.let.set()


def question(number: int) -> Combination:
    return Combination(parents=(Parent(version=name(str(number))),))


def questions(*numbers: int) -> dict[str, Combination]:
    return {one.work_id: one for one in map(question, numbers)}


def until(met: Callable[[], object], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_a_look_never_waits_and_each_question_is_begun_once(slow: Slow) -> None:
    combiner, asked = Combiner(slow), questions(1, 2)
    for _ in range(3):
        assert combiner.look(asked) == {}
    assert slow.begun.wait(20)
    assert slow.made == list(asked)[:1], "one at a time"
    slow.let.set()
    found: dict[str, Result] = {}
    while len(found) < 2:
        combiner.wait(1)
        found |= combiner.look({id: one for id, one in asked.items() if id not in found})
    assert found.keys() == asked.keys()
    assert slow.made == list(asked)
    assert not combiner.under_way


def test_a_wait_ends_with_the_combination(slow: Slow) -> None:
    combiner = Combiner(slow)
    combiner.look(questions(1))
    began = time.monotonic()
    combiner.wait(0.1)
    assert time.monotonic() - began >= 0.1
    threading.Timer(0.1, slow.let.set).start()
    combiner.wait(3600)
    assert combiner.look(questions(1))


def test_what_is_open_no_more_is_neither_begun_nor_heard_of(slow: Slow) -> None:
    combiner = Combiner(slow)
    slow.error = Refusal("a parent was retracted a moment ago")
    combiner.look(questions(1, 2, 3))
    assert slow.begun.wait(20)
    combiner.look(questions(3))
    slow.let.set()
    with pytest.raises(Refusal, match="a moment ago"):
        until(lambda: combiner.look(questions(3)))
    assert slow.made == [question(1).work_id, question(3).work_id]


@pytest.mark.parametrize("error", [Refusal("buffer mean differs"), Unreachable("no room")])
def test_an_error_is_raised_once_and_the_question_is_begun_again(slow: Slow, error: Exception) -> None:
    combiner = Combiner(slow)
    slow.error = error
    slow.let.set()
    with pytest.raises(type(error), match=str(error)):
        until(lambda: combiner.look(questions(1)))
    slow.error = None
    assert until(lambda: combiner.look(questions(1)))


def test_after_the_end_nothing_more_is_made_and_what_is_being_made_stops(slow: Slow) -> None:
    combiner = Combiner(slow)
    combiner.look(questions(1, 2))
    assert slow.begun.wait(20)
    first = next(iter(combiner.under_way))
    combiner.close()
    assert until(first.done)
    assert first.exception() is not None
    assert slow.made == [question(1).work_id]


# -- a round


class Patient(Books):
    """A registry that takes its time with every combination of one purpose."""

    def __init__(self, slow: Slow, *nodes: str, recipes: tuple[str, ...] = ("soup", "ratatouille")) -> None:
        super().__init__(a_round("", recipes), *nodes)
        self.slow = slow

    def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
        self.slow(combination)
        return super().combine(combination, round, message)


def runner(books: Books, **nodes: bytes | None) -> RoundRunner:
    return RoundRunner(registry_of(books), books.row, cast(Dispatch, Lane(books, **nodes)))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.rounds.POLL_SECONDS", 0.01)
    monkeypatch.setattr("coordinator.rounds._CONTACT_SECONDS", 0.0)


def test_orders_go_out_and_replies_are_heard_while_an_average_is_computed(slow: Slow) -> None:
    books = Patient(slow, "anna", recipes=("soup", "moving_average"))
    going = runner(books, anna=None)
    # soup's average does not end; moving_average, whose runs are others, is trained, counted and complete nevertheless
    until(lambda: going._turn() or (slow.made and going._driver.gather().outcomes[1].complete))
    (average,) = slow.made
    assert going._driver.gather().combinations.keys() == {average}
    slow.let.set()
    going.run()
    assert going._driver.gather().done
    assert len(set(slow.made)) == len(slow.made)


def test_a_round_is_cancelled_while_an_average_is_computed(slow: Slow) -> None:
    books = Patient(slow, "anna", recipes=("soup",))
    going = threading.Thread(target=runner(books, anna=None).run)
    going.start()
    assert slow.begun.wait(20)
    books.row = books.row.model_copy(update={"state": "cancelling"})
    going.join(20)
    assert not going.is_alive()
    assert books.row.state == "cancelled"
    assert not slow.let.is_set(), "nobody waited for the average"


def test_an_average_that_cannot_be_made_fails_the_round_with_its_reason(slow: Slow) -> None:
    books = Patient(slow, "anna", recipes=("soup",))
    slow.error = Refusal("buffer mean differs between the weights to combine")
    slow.let.set()
    with pytest.raises(Refusal, match="buffer mean differs"):
        runner(books, anna=None).run()
    assert (books.row.state, books.row.reason) == ("failed", str(slow.error))


def test_a_round_whose_deadline_passes_ends_after_the_averages_that_it_has_begun(slow: Slow) -> None:
    books = Patient(slow, "anna", recipes=("soup",))
    late = soup(min_runs=1, deadline=1.0)
    early = RoundDriver.of(record(late, "running", time.time() + 3600), registry_of(books))
    books.answer(early.gather().orders)
    books.answer(dict(list(trainings(early.gather()).items())[:2]))
    books.row = record(late, "running", time.time() - 3600)
    going = runner(books, anna=None)
    until(lambda: going._turn() or slow.made)
    for _ in range(20):
        assert not going._turn()
    slow.let.set()
    going.run()
    assert books.row.state == "done"
    assert "2 of 5 runs" in books.row.reason


def test_answers_in_any_order_lead_to_the_same_averages() -> None:
    """The order in which combinations end changes no question that is asked after them."""
    ended = []
    for turned in (False, True):
        memory, round = Memory(), a_round("", ("soup", "moving_average", "swad"))
        driver = RoundDriver.of(record(round, "running", 0.0), registry_of(memory), clock=lambda: 0.0)
        while not (found := driver.advance()).done:
            orders = list(found.orders.items())
            memory.answer(dict(orders[::-1] if turned else orders))
            driver.combiner.wait(0.01)
        ended.append([outcome.final and outcome.final.version for outcome in found.outcomes])
    assert ended[0] == ended[1]


# -- kill -9

DIES = """
import os, signal, sys
from pathlib import Path
from ratatouille.exchange.version import Combination
from ratatouille.weights import combine
from coordinator.combiner import Combiner
from registry.services.local import LocalRegistry
registry = LocalRegistry(Path(sys.argv[1]))
asked = Combination.from_json(Path(sys.argv[2]).read_bytes())
before = combine.header
def dies(tensors):
    os.kill(os.getpid(), signal.SIGKILL)
combine.header = dies
combiner = Combiner(registry.work.combine)
while True:
    combiner.look({asked.work_id: asked})
    combiner.wait(1)
"""


def test_a_coordinator_that_is_killed_while_it_combines_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    registry = LocalRegistry(tmp_path / "registry")
    world = World(registry, tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    start = world.probed()
    members = [world.tuned(start, seed) for seed in (2, 3, 4)]
    asked = Combination(parents=tuple(Parent(version=str(one.version)) for one in members))
    (tmp_path / "asked").write_bytes(asked.to_json())
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", DIES, str(tmp_path / "registry"), str(tmp_path / "asked")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert registry.work.results([asked.work_id]) == {}
    combiner = Combiner(registry.work.combine)
    found = until(lambda: combiner.look({asked.work_id: asked}))
    assert registry.versions.verify(str(found[asked.work_id].version)).ok
    whole = audit(registry)
    assert whole.ok, whole.findings
    registry.close()
