"""What runs keep."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch

from ratatouille.exchange.assignment import Keep, KeepBest, KeepLast, KeepMean, KeepValley
from ratatouille.training.keeps import keep

ROWS = (KeepBest(), KeepLast(), KeepMean(start=2), KeepValley(converge=2, tolerance=2))


def watch(row: Keep, scores: Sequence[float | None], losses: Sequence[float | None] | None = None) -> tuple[int, float]:
    """A run whose weights are the number of the step; returns the kept step and weights."""
    kept, weight = keep(row), torch.zeros(1)
    for step, score in enumerate(scores):
        weight.fill_(step)  # in place, as an optimiser does
        loss = losses[step] if losses else None if score is None else 1 - score
        if score is not None:
            kept.judged(step, {"weight": weight})
        kept.observe(step, {"weight": weight}, None if score is None else Fraction(score), loss)
    return kept.result().step, kept.result().weights["weight"].item()


def test_best_is_the_first_strict_maximum_with_the_weights_of_its_step() -> None:
    assert watch(KeepBest(), [0.5, None, 0.7, None, 0.7, 0.6]) == (2, 2)
    assert watch(KeepBest(), [0.7, None, 0.7]) == (0, 0)
    assert watch(KeepBest(), [0.0, 0.0]) == (0, 0)


def test_last_is_the_last_step_whatever_its_score() -> None:
    assert watch(KeepLast(), [0.5, 0.9, None]) == (2, 2)


def test_mean_is_that_of_all_steps_from_its_start_where_it_scores_best() -> None:
    # at step 4 the mean of 2, 3 and 4, also of those that were not evaluated
    assert watch(KeepMean(start=2), [0.1, None, None, None, 0.9, None, 0.5]) == (4, 3)
    # before its start it is the live weights
    assert watch(KeepMean(start=5), [0.1, None, 0.9, None, 0.2]) == (2, 2)


def test_the_weights_that_mean_judges_are_the_ones_that_it_keeps() -> None:
    kept, weight = keep(KeepMean(start=1)), torch.zeros(1)
    for step in range(1, 4):
        weight.fill_(step * step)
        judged = kept.judged(step, {"weight": weight})
        kept.observe(step, {"weight": weight}, Fraction(step, 3), 0.0)
    assert kept.result().weights["weight"].item() == judged["weight"].item()
    assert judged["weight"].item() == torch.tensor((1 + 4 + 9) / 3, dtype=torch.float32).item()


def every(losses: Sequence[float]) -> tuple[list[float | None], list[float | None]]:
    """Evaluations at each second step, the first at step 0."""
    scores: list[float | None] = [0.0]
    all_losses: list[float | None] = [9.0]
    for loss in losses:
        scores += [None, 0.0]
        all_losses += [None, loss]
    return scores, all_losses


def test_valley_is_the_mean_of_all_steps_between_its_beginning_and_its_end() -> None:
    # segments of two steps; the loss is lowest at step 4, then stays, then rises for good
    scores, losses = every([2.0, 1.0, 1.1, 1.1, 5.0, 5.0, 5.0])
    row = KeepValley(converge=2, tolerance=2, ratio=0.3)
    # from segment 3–4 to segment 7–8: the loss at 10 and 12 is above 1.3 · mean(1.0, 1.1)
    assert watch(row, scores, losses) == (8, (3 + 4 + 5 + 6 + 7 + 8) / 6)


def test_a_valley_that_does_not_end_goes_to_the_last_step() -> None:
    scores, losses = every([2.0, 1.0, 1.0, 1.0])
    assert watch(KeepValley(converge=2, tolerance=2), scores, losses) == (8, (3 + 4 + 5 + 6 + 7 + 8) / 6)


def test_without_a_valley_the_last_segment_is_kept() -> None:
    scores, losses = every([4.0, 3.0, 2.0, 1.0])
    assert watch(KeepValley(converge=2, tolerance=2), scores, losses) == (8, 7.5)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_a_keep_that_is_saved_and_restored_ends_as_one_that_was_not(row: Keep) -> None:
    whole, first, second = keep(row), keep(row), keep(row)
    weight = torch.zeros(1)
    for step, score in enumerate([0.2, 0.6, 0.4, 0.1, 0.5]):
        weight.fill_(step)
        whole.judged(step, {"weight": weight})
        whole.observe(step, {"weight": weight}, Fraction(score), 1 - score)
        if step == 3:
            second.restore(first.state(), {"weight": weight})
        half = first if step < 3 else second
        half.judged(step, {"weight": weight})
        half.observe(step, {"weight": weight}, Fraction(score), 1 - score)
    assert whole.result().step == second.result().step
    assert torch.equal(whole.result().weights["weight"], second.result().weights["weight"])


def test_means_keep_integer_buffers_and_frozen_statistics_as_they_are() -> None:
    for row in (KeepMean(start=1), KeepValley(converge=1, tolerance=1)):
        kept = keep(row)
        for step in range(4):
            weights = {"count": torch.tensor(7), "running": torch.tensor([0.1]), "weight": torch.tensor([float(step)])}
            kept.judged(step, weights)
            kept.observe(step, weights, Fraction(1, 2), 1.0)
        found = kept.result().weights
        assert found["count"].item() == 7
        assert torch.equal(found["running"], torch.tensor([0.1]))
