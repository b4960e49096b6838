"""What runs keep."""

from __future__ import annotations

import pytest
import torch

from ratatouille.errors import Refusal
from ratatouille.training.keeps import KEEPS, keep


def watch(name: str, scores: list[float | None]) -> tuple[int, float]:
    kept, weight = keep(name), torch.zeros(1)
    for step, score in enumerate(scores):
        weight.fill_(step)  # in place, as an optimiser does
        kept.observe(step, {"weight": weight}, score, None if score is None else 1 - score)
    return kept.result().step, kept.result().weights["weight"].item()


def test_best_is_the_first_strict_maximum_with_the_weights_of_its_step() -> None:
    assert watch("best", [0.5, None, 0.7, None, 0.7, 0.6]) == (2, 2)
    assert watch("best", [0.7, None, 0.7]) == (0, 0)
    assert watch("best", [0.0, 0.0]) == (0, 0)


def test_last_is_the_last_step_whatever_its_score() -> None:
    assert watch("last", [0.5, 0.9, None]) == (2, 2)


@pytest.mark.parametrize("name", KEEPS)
def test_a_keep_that_is_saved_and_restored_ends_as_one_that_was_not(name: str) -> None:
    whole, first, second = keep(name), keep(name), keep(name)
    weight = torch.zeros(1)
    for step, score in enumerate([0.2, 0.6, 0.4, 0.1]):
        weight.fill_(step)
        whole.observe(step, {"weight": weight}, score, None)
        if step == 2:
            second.restore(first.state())
        (first if step < 2 else second).observe(step, {"weight": weight}, score, None)
    assert whole.result().step == second.result().step
    assert torch.equal(whole.result().weights["weight"], second.result().weights["weight"])


def test_an_unknown_keep_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refusal, match="it can keep best, last"):
        keep("worst")
