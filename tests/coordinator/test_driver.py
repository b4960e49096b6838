"""One round in progress against a registry in memory: when it closes, what a finished one shows, what a look costs."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from coordinator.driver import RoundDriver
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.change import Close
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.order import Order
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.exchange.version import Combination
from ratatouille.recipes.admission import Known
from ratatouille.recipes.plan import plan
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Split
from registry.records import Info, Obligation, Result, RoundRecord, RoundState
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import Answer, a_round, answer_all, name


class Memory:
    """What a driver needs of a registry; `now` is the time of the next answers."""

    def __init__(self) -> None:
        self.now = 0.0
        self._known: dict[str, Result] = {}
        self.foretold: list[tuple[str, str]] = []
        self._retractions = 0
        self.used: set[str] = set()
        self.named: list[tuple[str, str, str]] = []
        self.closed: dict[str, Sealed] = {}
        self.here: list[Offer] = []
        self.owed: list[Obligation] = []

    def use(self, round: str, versions: Sequence[str]) -> None:
        self.used |= set(versions)

    def name_result(self, round: str, recipe: str, version: str) -> None:
        self.named.append((round, recipe, version))

    def note(self, round: str, kind: str, subject: str, text: str) -> None:
        self.foretold.append((kind, subject))

    def info(self) -> Info:
        return Info(software="memory", retractions=self._retractions, closures=len(self.closed))

    def close_question(self, signer: Signer, work_id: str) -> None:
        self.closed[work_id] = signer.seal(Close(question=work_id, at=self.now))

    def closures(self, work_ids: Sequence[str]) -> list[Sealed]:
        return [self.closed[work_id] for work_id in work_ids if work_id in self.closed]

    def obligations(self) -> list[Obligation]:
        return [one for one in self.owed if one.work_id not in self._known]

    def offers(self) -> list[Offer]:
        return self.here

    def retract(self, *work_ids: str) -> None:
        for work_id in work_ids:
            del self._known[work_id]
        self._retractions += 1

    def results(self, work_ids: Sequence[str]) -> dict[str, Result]:
        return {work_id: self._known[work_id] for work_id in work_ids if work_id in self._known}

    def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
        work_id = combination.work_id
        known = {one.version for one in self._known.values()}
        if strange := [parent.version for parent in combination.parents if parent.version not in known]:
            raise Refusal(f"parent {strange[0]} is no version of this registry")
        return self._enter(work_id, Answer(name(work_id + "v"), name(work_id + "f"), name(work_id + "h")))

    def collect(self, *work_ids: str) -> None:
        for work_id in work_ids:
            self._known[work_id] = self._known[work_id].model_copy(update={"collected": self.now})

    def answer(self, orders: dict[str, Order]) -> None:
        answers: dict[str, Answer] = {}
        answer_all(RoundPlan(orders=orders), answers)
        for work_id, made in answers.items():
            self._enter(work_id, made)

    def _enter(self, work_id: str, made: Answer) -> Result:
        self._known[work_id] = Result(
            work_id=work_id,
            version=made.version,
            featurizer=made.featurizer,
            head=made.head,
            evaluations=made.evaluations,
            created=self.now,
        )
        return self._known[work_id]


def record(round: Round, state: RoundState, changed: float) -> RoundRecord:
    spec = round.to_json().decode()
    return RoundRecord(id=round.id, name=round.name, spec=spec, state=state, created=0.0, changed=changed)


class Inline(Executor):
    """An executor that does at once what it is given."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


def conduct(round: Round, memory: Memory, state: RoundState, changed: float, now: float) -> RoundDriver:
    """A driver whose combinations are there when it has asked for them."""
    return RoundDriver.of(record(round, state, changed), registry_of(memory), clock=lambda: now, executor=Inline())


def soup(min_runs: int | None = None, deadline: float | None = 60.0) -> Round:
    return a_round(recipes=("soup",), min_runs=min_runs).model_copy(update={"deadline": deadline})


def trainings(plan: RoundPlan) -> dict[str, Order]:
    return {work_id: one for work_id, one in plan.orders.items() if isinstance(one.assignment, FineTune)}


def closed(memory: Memory, round: Round, runs: int) -> tuple[RoundPlan, dict[str, Order]]:
    """A round whose deadline passed after so many runs, and the orders of the runs that were not there."""
    memory.answer(conduct(round, memory, "running", 1000.0, 1001.0).advance().orders)
    orders = trainings(conduct(round, memory, "running", 1000.0, 1001.0).advance())
    memory.answer(dict(list(orders.items())[:runs]))
    closing = conduct(round, memory, "running", 1000.0, 2000.0)
    for _ in range(3):
        memory.answer(closing.advance().orders)
    return closing.advance(), dict(list(orders.items())[runs:])


def test_the_deadline_counts_from_when_the_round_was_last_set_going() -> None:
    # It waited behind another round, or was cancelled and asked for again: its time begins anew.
    assert not conduct(soup(), Memory(), "requested", 0.0, 5000.0).closing
    assert not conduct(soup(), Memory(), "running", 1000.0, 1059.0).closing
    assert conduct(soup(), Memory(), "running", 1000.0, 1061.0).closing
    assert not conduct(soup(deadline=None), Memory(), "running", 1000.0, 10.0**9).closing


def test_a_run_that_comes_after_the_end_changes_nothing_of_a_finished_round() -> None:
    memory, round = Memory(), soup(min_runs=3)
    memory.now = 1500.0
    end, late = closed(memory, round, runs=3)
    assert end.done
    memory.now = 3000.0
    memory.answer(late)
    outcome = conduct(round, memory, "done", 2500.0, 4000.0).gather().outcomes[0]
    assert outcome == end.outcomes[0]
    assert outcome.final is not None


def test_a_round_that_ends_at_its_deadline_says_what_it_lacks() -> None:
    memory, round = Memory(), soup(min_runs=3)
    end, _ = closed(memory, round, runs=3)
    assert conduct(round, memory, "running", 1000.0, 2000.0).ending(end) == "ended at its deadline: soup 3 of 5 runs"


def test_a_round_names_the_version_of_each_recipe_when_it_ends_and_not_before() -> None:
    memory, round = Memory(), soup(min_runs=3)
    end, _ = closed(memory, round, runs=3)
    driver = conduct(round, memory, "running", 1000.0, 2000.0)
    assert memory.named == []
    driver.conclude(end)
    final = end.outcomes[0].final
    assert final is not None
    assert memory.named == [(round.id, "soup", final.version)]


def test_a_round_with_too_few_runs_at_its_deadline_fails() -> None:
    memory, round = Memory(), soup(min_runs=3)
    end, _ = closed(memory, round, runs=2)
    with pytest.raises(Refusal, match="before 3 runs of any recipe"):
        conduct(round, memory, "running", 1000.0, 2000.0).ending(end)


def test_the_plan_is_not_walked_again_until_there_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[bool] = []

    def counted(
        round: Round, facts: dict[str, Result], closing: bool, closed: frozenset[str], known: Known
    ) -> RoundPlan:
        walks.append(closing)
        return plan(round, facts, closing, closed, known)

    monkeypatch.setattr("coordinator.driver.plan", counted)
    memory = Memory()
    driver = conduct(soup(), memory, "running", 1000.0, 1001.0)
    found = driver.advance()
    for _ in range(5):
        assert driver.advance() is found
    assert len(walks) == 1
    memory.answer(found.orders)
    assert driver.advance() is not found


def test_a_round_foretells_once_how_much_it_will_ask_and_what_of_it_is_known() -> None:
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    first = driver.advance()
    driver.advance()
    asked = len(driver.forecast().orders) + len(driver.forecast().combinations)
    assert asked > len(first.orders)
    assert memory.foretold == [("plan", f"0/{asked}")]
    memory.answer(first.orders)
    later = conduct(round, memory, "running", 1000.0, 1001.0)
    assert not later.advance().done
    assert memory.foretold[1:] == [("plan", f"{len(first.orders)}/{asked}")]


def test_a_round_that_is_done_foretells_nothing() -> None:
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (found := driver.advance()).done:
        memory.answer(found.orders)
    before = len(memory.foretold)
    conduct(round, memory, "done", 2000.0, 2001.0).advance()
    assert len(memory.foretold) == before


def test_a_run_that_is_retracted_while_the_round_goes_on_is_asked_for_again() -> None:
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (orders := trainings(driver.advance())):
        memory.answer(driver.advance().orders)
    bad, *good = orders
    memory.answer(orders)
    assert driver.advance().orders.keys() & orders.keys() == set()
    memory.retract(bad)
    again = driver.advance()
    assert trainings(again).keys() == {bad}
    assert driver.forecast().known >= set(good)
    assert bad not in driver.forecast().known
    memory.answer(trainings(again))
    assert bad not in driver.advance().orders


def test_a_run_that_is_retracted_just_before_the_average_is_asked_for_again() -> None:
    class Moment(Memory):
        """Somebody retracts a run just when the round begins to average."""

        bad = ""

        def combine(self, combination: Combination, round: str | None = None, message: str = "") -> Result:
            if combination.purpose == "uniform" and self.bad:
                self.retract(self.bad)
                self.bad = ""
            return super().combine(combination, round, message)

    memory, round = Moment(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (orders := trainings(driver.advance())):
        memory.answer(driver.advance().orders)
    memory.answer(orders)
    memory.bad = next(iter(orders))
    again = trainings(driver.advance())
    assert list(again) == [next(iter(orders))]
    memory.answer(again)
    assert driver.advance().outcomes[0].final is not None


def test_the_registry_is_told_what_a_round_builds_on_when_it_goes_on_and_not_when_it_is_only_read() -> None:
    memory, round = Memory(), soup(deadline=None)
    probes = conduct(round, memory, "running", 1000.0, 1001.0).gather().orders
    memory.answer(probes)
    heads = {result.version for result in memory.results(list(probes)).values()}
    assert heads
    conduct(round, memory, "running", 1000.0, 1001.0).gather()
    assert memory.used == set()
    conduct(round, memory, "running", 1000.0, 1001.0).advance()
    assert memory.used == {round.foundation.version, *heads}


def test_a_round_whose_weights_gc_removed_is_refused_before_anything_is_trained_unless_it_needs_none() -> None:
    memory, round = Memory(), soup(deadline=None)
    memory.now = 1.0
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (orders := trainings(driver.advance())):
        memory.answer(driver.advance().orders)
    first, *_ = orders
    memory.answer({first: orders[first]})
    memory.collect(first)
    with pytest.raises(Refusal, match=r"weights of 1 version .* --fresh"):
        conduct(round, memory, "running", 1000.0, 1001.0).advance()
    memory.answer(orders)
    while (found := driver.advance()).orders:
        memory.answer(found.orders)
    memory.collect(*orders)
    assert conduct(round, memory, "running", 1000.0, 1001.0).advance().done


def test_a_finished_round_lacks_a_retracted_run_and_the_same_settings_under_another_name_train_only_that() -> None:
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    while not (found := driver.advance()).done:
        memory.answer(found.orders)
    bad = next(iter(trainings(RoundPlan(orders=all_of(found)))))
    memory.retract(bad)
    outcome = conduct(round, memory, "done", 1000.0, 2000.0).gather().outcomes[0]
    assert (len(outcome.members), outcome.wanted, outcome.final) == (4, 5, None)
    again = conduct(round.model_copy(update={"name": "again"}), memory, "running", 3000.0, 3001.0)
    assert trainings(again.advance()).keys() == {bad}


def all_of(plan: RoundPlan) -> dict[str, Order]:
    return {work_id: asked for work_id, asked in plan.questions.items() if isinstance(asked, Order)}


def test_a_round_of_an_earlier_revision_shows_its_answers_and_asks_for_no_more() -> None:
    old = a_round(recipes=("vanilla",)).model_copy(update={"revision": 1})
    registry = Memory()
    begun = driver(old, registry)
    with pytest.raises(Refusal, match=r"began under revision 1 of the method, and this release has revision 2; .*anew"):
        begun.advance()
    while orders := begun.gather().orders:
        registry.answer(orders)
    assert begun.gather().outcomes[0].final is not None
    assert begun.advance().done  # nothing is open, so nothing is refused


def driver(round: Round, registry: Memory) -> RoundDriver:
    return RoundDriver(round, registry_of(registry), 0.0, clock=lambda: 0.0, executor=Inline())


def holder(node: str, round: Round) -> Offer:
    counts: dict[str, dict[Split, tuple[int, ...]]] = {
        domain: {"train": (1, 1)} for domain in round.training[0].domains
    }
    holding = Holding(task=round.task, task_name="shapes", counts=counts, fingerprint=round.training[0].fingerprint)
    return Offer(node=node, name=node[:8], holdings=(holding,), issued=0.0)


def test_a_question_that_every_holder_here_has_closed_is_lacking_and_the_round_ends_without_it(tmp_path: Path) -> None:
    memory, round = Memory(), soup(deadline=None)
    anna, ben = (Signer.open(tmp_path / who) for who in ("anna", "ben"))
    memory.answer(conduct(round, memory, "running", 1000.0, 1001.0).advance().orders)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    orders = trainings(driver.advance())
    withdrawn = next(iter(orders))
    memory.close_question(anna, withdrawn)
    memory.here = [holder(anna.node, round), holder(ben.node, round)]
    assert withdrawn in driver.advance().orders  # ben may answer it
    assert driver.closed == {(anna.node, withdrawn)}
    memory.here = [holder(anna.node, round)]
    assert withdrawn not in driver.advance().orders
    for _ in range(4):
        memory.answer(driver.advance().orders)
    end = driver.advance()
    assert end.done
    label = orders[withdrawn].label
    said = f"without 1 answer that the members who hold the data have closed: {label}"
    assert driver.ending(end) == said
    memory.here = []
    shown = conduct(round, memory, "done", 1000.0, 2000.0).gather()
    assert shown.outcomes[0].final is not None  # whoever is here when the report is read
    memory.here = [holder(ben.node, round)]
    assert conduct(round, memory, "running", 1000.0, 2000.0).gather().orders.keys() == {withdrawn}


def test_a_round_that_lacks_its_head_fails_and_says_who_closed_what(tmp_path: Path) -> None:
    memory, round = Memory(), soup(deadline=None)
    driver = conduct(round, memory, "running", 1000.0, 1001.0)
    (head,) = driver.advance().orders
    memory.close_question(Signer.open(tmp_path / "anna"), head)
    end = driver.advance()
    assert end.done
    with pytest.raises(Refusal, match=r"nothing can be combined: without 1 answer .* head of shapes"):
        driver.ending(end)
