"""Figure 6 in numbers."""

import numpy as np
import pytest

from ratatouille.analysis.auxiliaries import auxiliaries, table
from ratatouille.recipes.counting import Average, Averages, PoolMember, SideCounts
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.studies import AuxiliariesStudy
from tests.ratatouille.analysis.counting import counted, evaluation


def single(number: int, right: int) -> Candidate:
    return Candidate(f"v{number}", "f", "h", f"run {number}", "w", 0, (), (evaluation("ink", right, 100),))


def asked(*correct: int) -> AuxiliariesStudy:
    """Averages over one start, over two (two draws) and over three, which are right on so many of 100 images."""
    right = np.array([np.arange(100) < count for count in correct])
    means = tuple(Average((place % 2, 1)) for place in range(len(correct)))
    averages = Averages(means, SideCounts(()), counted(("ink", right)))
    members = (PoolMember("foundation", 0), PoolMember("clay", 1))
    return AuxiliariesStudy(members, (single(0, 40), single(1, 60)), averages, (1, 2, 2, 3)[: len(correct)])


def test_scores_are_means_over_draws_with_their_spread() -> None:
    found = auxiliaries(asked(50, 60, 70, 80), "accuracy", 2)
    assert [(one.starts, one.draws, one.held_out) for one in found.rows] == [
        (1, 1, 0.5),
        (2, 2, pytest.approx(0.65)),
        (3, 1, 0.8),
    ]
    assert found.rows[1].spread == pytest.approx(np.std([0.6, 0.7], ddof=1))
    assert found.rows[0].spread is None
    assert found.rows[0].mean_run == pytest.approx((0.4 + 0.6) / 2)
    assert found.rows[0].ahead is None


def test_being_ahead_has_the_interval_of_the_same_images() -> None:
    found = auxiliaries(asked(50, 60, 70, 80), "accuracy", 2)
    ahead = found.rows[2].ahead
    assert ahead is not None
    # 30 of 100 images are gained and none lost: √(0.3 · 0.7 / 99)
    assert ahead.value == pytest.approx(0.3)
    assert ahead.high - ahead.value == pytest.approx(1.96 * np.sqrt(0.21 / 99))
    assert "+30.0 points" in found.sentence
    assert "so more starts help" in found.sentence
    assert "The highest score has 3 starts (80.0 %)" in found.sentence


@pytest.mark.parametrize(
    ("last", "says"), [(30, "so more starts hurt, against the paper"), (51, "cannot tell from chance")]
)
def test_what_contradicts_the_paper_and_what_is_noise_is_said(last: int, says: str) -> None:
    assert says in auxiliaries(asked(50, 50, 50, last), "accuracy", 2).sentence


def test_a_pool_without_auxiliary_tasks_and_a_single_run_end_in_a_sentence() -> None:
    assert "no auxiliary tasks" in auxiliaries(asked(50), "accuracy", 2).sentence
    assert "One run has one start" in auxiliaries(asked(50, 50, 50, 50), "accuracy", 1).sentence
    assert table(auxiliaries(asked(50), "accuracy", 2)).shown()[0][:3] == ["1", "1", "50.0"]
