"""Which round has a Flower run: one at a time, started again after a crash, given up when it never lives."""

import itertools
from collections.abc import Sequence
from typing import cast

import pytest

from coordinator.control import Control
from coordinator.scheduler import RoundScheduler
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.membership import Offer
from ratatouille.exchange.signing import Sealed
from registry.records import Event, Obligation, RoundRecord, RoundState
from tests.coordinator.test_matching import evaluate, offer
from tests.memory import registry_of


class Flower:
    """Runs by number, and what became of them."""

    def __init__(self) -> None:
        self.rounds: list[str] = []
        self.alive: set[int] = set()
        self.pending: set[int] = set()
        self.stopped: list[int] = []

    def stop(self, run: int) -> bool:
        self.stopped.append(run)
        self.alive.discard(run)
        self.pending.discard(run)
        return True

    def submit(self, round: str, registry: str) -> int:
        self.rounds.append(round)
        self.alive.add(len(self.rounds))
        return len(self.rounds)

    def status(self, run: int) -> str:
        if run in self.pending:
            return "pending"
        return "running" if run in self.alive else "failed"


class Rounds:
    """The rows that a scheduler reads."""

    def __init__(self, **states: RoundState) -> None:
        self.states: dict[str, RoundState] = dict(states)
        self.log: list[Event] = []
        self.owed: list[Obligation] = []
        self.here: list[Offer] = []

    def happens(self, kind: str, round: str = "first") -> None:
        number = len(self.log) + 1
        self.log.append(Event(number=number, at=0.0, kind=kind, round=round, subject="", text=""))

    def obligations(self) -> list[Obligation]:
        return self.owed

    def closures(self, work_ids: Sequence[str]) -> list[Sealed]:
        return []

    def offers(self) -> list[Offer]:
        return self.here

    def events(self, after: int = 0, round: str | None = None) -> list[Event]:
        return [event for event in self.log if event.number > after and event.round == round][:3]

    def rounds(self, states: Sequence[RoundState] = (), before: str | None = None) -> list[RoundRecord]:
        if before is not None:  # all came with the first page
            return []
        return [
            RoundRecord(id=id_, name=id_, spec="", state=state, created=float(age), changed=0.0)
            for age, (id_, state) in enumerate(self.states.items())
            if not states or state in states
        ]

    def move_round(self, id: str, expected: list[RoundState], state: RoundState, reason: str = "") -> bool:
        if self.states[id] not in expected:
            return False
        self.states[id] = state
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def scene(**states: RoundState) -> tuple[RoundScheduler, Flower, Rounds, Clock]:
    flower, rounds, clock = Flower(), Rounds(**states), Clock()
    scheduler = RoundScheduler(registry_of(rounds), cast(Control, flower), "grpc://here", clock)
    return scheduler, flower, rounds, clock


def test_one_round_runs_at_a_time_and_the_oldest_request_is_next() -> None:
    scheduler, flower, rounds, _ = scene(first="requested", second="requested")
    for _ in range(3):
        scheduler.look()
    assert flower.rounds == ["first"]
    rounds.states["first"] = "done"
    flower.alive.clear()
    scheduler.look()
    assert flower.rounds == ["first", "second"]


def test_a_run_that_never_lives_is_given_up() -> None:
    scheduler, flower, rounds, clock = scene(first="requested")
    for _ in range(20):
        scheduler.look()
        flower.alive.clear()
        clock.now += 61
    assert len(flower.rounds) == 10
    assert rounds.states["first"] == "failed"


def test_a_run_that_lived_for_long_may_be_started_again_however_often() -> None:
    # A round of weeks outlives many restarts of its machine's services.
    scheduler, flower, rounds, clock = scene(first="running")
    for _ in range(20):
        scheduler.look()
        clock.now += 3600
        scheduler.look()
        flower.alive.clear()
        scheduler.look()
        clock.now += 40
    assert len(flower.rounds) >= 20
    assert rounds.states["first"] == "running"


def test_cancelling_a_round_that_waits_leaves_the_one_that_runs_alone() -> None:
    scheduler, flower, rounds, _ = scene(older="failed", younger="running")
    scheduler.look()
    rounds.states["older"] = "cancelling"
    for _ in range(3):
        scheduler.look()
    assert rounds.states == {"older": "cancelled", "younger": "running"}
    assert flower.rounds == ["younger"]


def test_a_cancelled_round_is_left_to_its_run_while_that_lives() -> None:
    scheduler, flower, rounds, _ = scene(first="running")
    scheduler.look()
    rounds.states["first"] = "cancelling"
    scheduler.look()
    assert rounds.states == {"first": "cancelling"}
    flower.alive.clear()
    scheduler.look()
    assert rounds.states == {"first": "cancelled"}


def test_a_refusal_of_flower_counts_as_a_start_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler, flower, rounds, clock = scene(first="requested")

    def refuse(round: str, registry: str) -> int:
        raise Refusal("Flower refused: no")

    monkeypatch.setattr(flower, "submit", refuse)
    refusals = 0
    for _ in range(20):
        try:
            scheduler.look()
        except Refusal:
            refusals += 1
        clock.now += 61
    assert refusals == 10
    assert rounds.states["first"] == "failed"


def test_a_round_that_was_given_up_and_is_asked_for_again_starts_anew() -> None:
    scheduler, flower, rounds, clock = scene(first="requested")
    for _ in range(20):
        scheduler.look()
        flower.alive.clear()
        clock.now += 61
    rounds.states["first"] = "requested"
    scheduler.look()
    assert len(flower.rounds) == 11


def test_a_round_that_is_killed_sixty_times_in_minutes_goes_on_while_answers_come_between() -> None:
    scheduler, flower, rounds, clock = scene(first="running")
    for _ in range(60):
        scheduler.look()
        rounds.happens("evaluation")
        flower.alive.clear()
        clock.now += 3
    assert len(flower.rounds) == 60
    assert rounds.states["first"] == "running"


def test_lines_of_the_log_that_are_no_answers_are_no_progress() -> None:
    scheduler, flower, rounds, clock = scene(first="running")
    for _ in range(20):
        scheduler.look()
        for kind in ("failure", "plan", "round", "failure"):
            rounds.happens(kind)
        rounds.happens("version", round="second")
        flower.alive.clear()
        clock.now += 61
    assert len(flower.rounds) == 10
    assert rounds.states["first"] == "failed"


def test_answers_from_before_a_start_are_no_progress_of_it() -> None:
    scheduler, flower, rounds, clock = scene(first="running")
    for _ in range(10):
        rounds.happens("version")
    for _ in range(20):
        scheduler.look()
        flower.alive.clear()
        clock.now += 61
    assert len(flower.rounds) == 10


def test_starts_that_bring_nothing_follow_each_other_ever_more_slowly_up_to_a_minute() -> None:
    scheduler, flower, _, clock = scene(first="running")
    starts: list[float] = []
    for _ in range(500):
        scheduler.look()
        if len(flower.rounds) > len(starts):
            starts.append(clock.now)
        flower.alive.clear()
        clock.now += 1
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_run_without_a_server_process_for_a_minute_is_stopped_and_started_again() -> None:
    scheduler, flower, rounds, clock = scene(first="running")
    scheduler.look()
    flower.pending.add(1)
    clock.now += 59
    scheduler.look()
    assert flower.stopped == []
    clock.now += 1
    scheduler.look()
    assert flower.stopped == [1]
    assert flower.rounds == ["first", "first"]
    assert rounds.states["first"] == "running"


def test_a_superlink_that_is_away_counts_as_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler, flower, rounds, clock = scene(first="requested")

    def away(round: str, registry: str) -> int:
        raise Unreachable("no SuperLink answers")

    with monkeypatch.context() as patch:
        patch.setattr(flower, "submit", away)
        for _ in range(100):
            with pytest.raises(Unreachable):
                scheduler.look()
            clock.now += 1
    scheduler.look()
    assert flower.rounds == ["first"]
    assert rounds.states["first"] == "requested"


def watch(registry: Rounds, flower: Flower) -> RoundScheduler:
    return RoundScheduler(registry_of(registry), cast(Control, flower), "grpc://here", clock=lambda: 100.0)


def owing(*rounds: str) -> Rounds:
    """A registry that owes an evaluation which a node that is here can do."""
    states: dict[str, RoundState] = dict.fromkeys(rounds, "requested")
    registry, order = Rounds(**states), evaluate("data")
    registry.owed = [Obligation(work_id=order.assignment.digest, version="a" * 64, order=order, created=0.0)]
    registry.here = [offer("anna", "data")]
    return registry


def test_evaluations_that_are_owed_get_a_run_while_no_round_wants_one() -> None:
    registry, flower = owing(), Flower()
    scheduler = watch(registry, flower)
    scheduler.look()
    scheduler.look()
    assert flower.rounds == ["evaluations"]  # one at a time
    registry.owed = []
    flower.alive.clear()
    scheduler.look()
    assert flower.rounds == ["evaluations"]


def test_a_round_goes_before_them_and_nobody_is_asked_for_what_nobody_here_can_do() -> None:
    registry, flower = owing("first"), Flower()
    watch(registry, flower).look()
    assert flower.rounds == ["first"]
    registry, flower = owing(), Flower()
    registry.here = []
    watch(registry, flower).look()
    assert flower.rounds == []


def test_a_round_that_is_asked_for_waits_for_their_run_to_end() -> None:
    registry, flower = owing(), Flower()
    scheduler = watch(registry, flower)
    scheduler.look()
    registry.states["first"] = "requested"
    scheduler.look()
    assert flower.rounds == ["evaluations"]
    flower.alive.clear()
    scheduler.look()
    assert flower.rounds == ["evaluations", "first"]


def test_evaluations_that_a_node_does_not_do_are_tried_again_ever_more_slowly() -> None:
    registry, flower, seconds = owing(), Flower(), itertools.count()
    scheduler = RoundScheduler(
        registry_of(registry), cast(Control, flower), "grpc://here:1", clock=lambda: float(next(seconds))
    )
    for _ in range(600):
        scheduler.look()
        flower.alive.clear()
    assert 3 <= len(flower.rounds) <= 7
    registry.here.append(offer("ben", "data"))
    scheduler.look()
    assert flower.rounds.count("evaluations") >= 4  # somebody new is asked at once
