"""Which round has a Flower run: one at a time, started again after a crash, given up when it never lives."""

from collections.abc import Sequence
from typing import cast

import pytest

from coordinator.control import Control
from coordinator.keeper import Keeper
from ratatouille.errors import Refusal
from registry.port import Registry
from registry.records import RoundRecord, RoundState


class Flower:
    """Runs by number, and what became of them."""

    def __init__(self) -> None:
        self.rounds: list[str] = []
        self.alive: set[int] = set()

    def submit(self, round: str, registry: str) -> int:
        self.rounds.append(round)
        self.alive.add(len(self.rounds))
        return len(self.rounds)

    def status(self, run: int) -> str:
        return "running" if run in self.alive else "failed"


class Rounds:
    """The rows that a keeper reads."""

    def __init__(self, **states: RoundState) -> None:
        self.states: dict[str, RoundState] = dict(states)

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


def scene(**states: RoundState) -> tuple[Keeper, Flower, Rounds, Clock]:
    flower, rounds, clock = Flower(), Rounds(**states), Clock()
    keeper = Keeper(cast(Registry, rounds), cast(Control, flower), "grpc://here", clock)
    return keeper, flower, rounds, clock


def test_one_round_runs_at_a_time_and_the_oldest_request_is_next() -> None:
    keeper, flower, rounds, _ = scene(first="requested", second="requested")
    for _ in range(3):
        keeper.look()
    assert flower.rounds == ["first"]
    rounds.states["first"] = "done"
    flower.alive.clear()
    keeper.look()
    assert flower.rounds == ["first", "second"]


def test_a_run_that_never_lives_is_given_up() -> None:
    keeper, flower, rounds, clock = scene(first="requested")
    for _ in range(20):
        keeper.look()
        flower.alive.clear()
        clock.now += 40
    assert len(flower.rounds) == 5
    assert rounds.states["first"] == "failed"


def test_a_run_that_lived_for_long_may_be_started_again_however_often() -> None:
    # A round of weeks outlives many restarts of its machine's services.
    keeper, flower, rounds, clock = scene(first="running")
    for _ in range(20):
        keeper.look()
        clock.now += 3600
        keeper.look()
        flower.alive.clear()
        keeper.look()
        clock.now += 40
    assert len(flower.rounds) >= 20
    assert rounds.states["first"] == "running"


def test_cancelling_a_round_that_waits_leaves_the_one_that_runs_alone() -> None:
    keeper, flower, rounds, _ = scene(older="failed", younger="running")
    keeper.look()
    rounds.states["older"] = "cancelling"
    for _ in range(3):
        keeper.look()
    assert rounds.states == {"older": "cancelled", "younger": "running"}
    assert flower.rounds == ["younger"]


def test_a_cancelled_round_is_left_to_its_run_while_that_lives() -> None:
    keeper, flower, rounds, _ = scene(first="running")
    keeper.look()
    rounds.states["first"] = "cancelling"
    keeper.look()
    assert rounds.states == {"first": "cancelling"}
    flower.alive.clear()
    keeper.look()
    assert rounds.states == {"first": "cancelled"}


def test_a_refusal_of_flower_counts_as_a_start_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, flower, rounds, clock = scene(first="requested")

    def refuse(round: str, registry: str) -> int:
        raise Refusal("Flower refused: no")

    monkeypatch.setattr(flower, "submit", refuse)
    refusals = 0
    for _ in range(20):
        try:
            keeper.look()
        except Refusal:
            refusals += 1
        clock.now += 40
    assert refusals == 5
    assert rounds.states["first"] == "failed"


def test_a_round_that_was_given_up_and_is_asked_for_again_starts_anew() -> None:
    keeper, flower, rounds, clock = scene(first="requested")
    for _ in range(20):
        keeper.look()
        flower.alive.clear()
        clock.now += 40
    rounds.states["first"] = "requested"
    keeper.look()
    assert len(flower.rounds) == 6
