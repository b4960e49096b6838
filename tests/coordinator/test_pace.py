"""The time that is left of a round: in words, and only once it was measured."""

from __future__ import annotations

import pytest

from coordinator.commands.follow import time_left
from coordinator.pace import Pace
from coordinator.progress import RoundProgress
from ratatouille.cli.output import about


def progress(done: int) -> RoundProgress:
    return RoundProgress(
        trainings=4, trainings_done=0, evaluations=0, evaluations_done=0, steps=2800, steps_done=done, workers=()
    )


def said(*sights: tuple[float, int]) -> str:
    """The words after having seen so many steps at these moments."""
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    for clock[0], done in sights:
        pace.see(done)
    return time_left(pace, progress(sights[-1][1]))


def test_the_time_before_the_first_steps_is_no_pace() -> None:
    """A round of 280 s was said to take 12,669 s: ten steps had shown after 45 s, and most of these were start-up."""
    assert said((0.0, 0), (45.0, 10)) == ""
    assert said((0.0, 0), (45.0, 10), (55.0, 110)) == ""
    assert said((0.0, 0), (45.0, 10), (55.0, 110), (67.0, 230)) == ", about 4 min left"


def test_a_round_that_is_followed_late_is_measured_from_then() -> None:
    assert said((0.0, 2000), (10.0, 2100), (20.0, 2200)) == ""
    assert said((0.0, 2000), (10.0, 2100), (20.0, 2200), (30.0, 2300)) == ", about 50 s left"


def test_nothing_is_left_of_a_round_whose_steps_are_done() -> None:
    assert said((0.0, 0), (10.0, 1000), (40.0, 2800)) == ""


def test_old_sights_are_forgotten() -> None:
    slow = [(10.0 * number, number) for number in range(1, 30)]
    fast = [(300.0 + number, 30 + 10 * number) for number in range(130)]
    assert said(*slow, *fast) == ", about 2 min left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "about 10 s"), (44, "about 40 s"), (70, "about 1 min"), (3600, "about 60 min"), (12669, "about 4 h")],
)
def test_estimates_are_said_in_round_numbers(seconds: float, words: str) -> None:
    assert about(seconds) == words
