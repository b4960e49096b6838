"""Attacks are what they are called, and change nothing that they do not say."""

from pathlib import Path

import numpy as np
import pytest

from coordinator.benchmark.admission.attacks import ATTACKS, HIDDEN
from tests.coordinator.benchmark.admission.networks import CLASSES, LAYOUT, network, situation, write


def test_weights_survive_the_way_into_files_and_back(tmp_path: Path) -> None:
    weights = network(0)
    back = LAYOUT.read(write(weights, tmp_path))
    assert np.array_equal(back.values, weights.values)
    assert {name: array.tolist() for name, array in back.buffers.items()} == {
        name: array.tolist() for name, array in weights.buffers.items()
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gives_finite_weights_and_only_one_says_that_it_moves_buffers(name: str) -> None:
    given = situation()
    made = ATTACKS[name].make(given)
    assert made.values.dtype == np.float32
    assert np.isfinite(made.values).all()
    same = all(np.array_equal(made.buffers[one], given.own.buffers[one]) for one in given.own.buffers)
    assert same != ATTACKS[name].foreign_buffers


def test_a_hidden_copy_is_near_and_no_copy() -> None:
    given = situation()
    norm = float(np.linalg.norm(given.update))
    for name, copied in (("hidden duplicate", given.peers[0]), ("hidden free rider", given.start)):
        apart = float(np.linalg.norm(ATTACKS[name].make(given).values - copied.values))
        assert apart == pytest.approx(HIDDEN * norm, rel=1e-3)


def test_a_noisy_update_is_as_long_as_the_honest_one() -> None:
    given = situation()
    moved = ATTACKS["noisy update"].make(given).values - given.start.values
    assert float(np.linalg.norm(moved)) == pytest.approx(float(np.linalg.norm(given.update)), rel=1e-3)


def test_a_rotated_head_answers_with_the_next_class_and_much_louder() -> None:
    given = situation()
    made, own = ATTACKS["rotated head"].make(given).values, given.own.values
    before, after = own[given.head], made[given.head]
    assert np.allclose(after[:CLASSES], 1000 * np.roll(before[:CLASSES], 1))
    rows = before[CLASSES:].reshape(CLASSES, -1)
    assert np.allclose(after[CLASSES:].reshape(CLASSES, -1), 1000 * rows[[2, 0, 1]])
    assert np.array_equal(made[: given.head.start], own[: given.head.start])


def test_weights_of_the_wrong_ancestor_are_as_large_as_the_start() -> None:
    given = situation()
    made = ATTACKS["wrong ancestor"].make(given).values - given.update
    assert np.linalg.norm(made) == pytest.approx(np.linalg.norm(given.start.values), rel=1e-4)
    assert np.linalg.norm(made - given.start.values) > np.linalg.norm(given.update)
