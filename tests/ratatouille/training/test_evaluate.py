"""Counting."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.confusion import entries
from ratatouille.tasks.data import open_data
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import write_synthetic
from ratatouille.tasks.task import Task
from ratatouille.training import evaluate
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import CHUNK, Count, forward
from ratatouille.training.network import build
from tests.ratatouille.training.setup import TrainingSetup


def by_index(needed: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits of a classifier that says index mod 3."""
    return np.eye(3, dtype=np.float32)[needed % 3] * 5


def test_rows_of_a_confusion_matrix_count_the_true_classes(setup: TrainingSetup) -> None:
    (counted,) = Count([Cell(domain="sketch", split="all")], setup.data, 0).of(by_index)
    chosen = setup.data.examples("sketch")
    confusion = np.array(counted.evaluation.confusion)
    np.testing.assert_array_equal(confusion.sum(1), np.bincount(setup.data.labels[chosen], minlength=3))
    np.testing.assert_array_equal(confusion.sum(0), np.bincount(chosen % 3, minlength=3))
    assert counted.evaluation.correct == int((chosen % 3 == setup.data.labels[chosen]).sum())


def test_cells_add_up_over_splits_and_slices(setup: TrainingSetup) -> None:
    cells = [
        Cell(domain="day", split="all"),
        Cell(domain="day", split="train"),
        Cell(domain="day", split="validation"),
        Cell(domain="day", split="test"),
        Cell(domain="day", split="all", slice="seen"),
        Cell(domain="day", split="all", slice="new"),
    ]
    whole, train, validation, test, seen, new = (
        np.array(counted.evaluation.confusion) for counted in Count(cells, setup.data, 0).of(by_index)
    )
    np.testing.assert_array_equal(train + validation + test, whole)
    np.testing.assert_array_equal(seen + new, whole)
    assert test.sum() == 0


def test_an_image_that_several_cells_need_is_predicted_once(setup: TrainingSetup) -> None:
    asked: list[NDArray[np.int64]] = []

    def predict(needed: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.append(needed)
        return by_index(needed)

    Count([Cell(domain="day", split="all"), Cell(domain="day", split="validation")], setup.data, 0).of(predict)
    (needed,) = asked
    np.testing.assert_array_equal(needed, setup.data.examples("day"))


def test_the_loss_is_the_mean_cross_entropy(setup: TrainingSetup) -> None:
    counting = Count([Cell(domain="day", split="all")], setup.data, 0)
    (counted,) = counting.of(lambda needed: np.zeros((len(needed), 3), np.float32))
    assert abs(counted.loss - np.log(3)) < 1e-12


def test_a_network_gives_each_image_the_same_logits_in_any_company(setup: TrainingSetup) -> None:
    network = build(setup.architecture, 3).eval()
    transform = Transform(setup.architecture, torch.device("cpu"))
    images = setup.data.images(32)
    everybody = forward(network, images, np.arange(len(images)), transform)
    assert len(images) > CHUNK
    np.testing.assert_allclose(forward(network, images, np.array([80, 3]), transform), everybody[[80, 3]], atol=1e-5)


def test_images_of_21841_classes_are_counted_in_less_memory_than_one_square_of_them(
    setup: TrainingSetup, tmp_path: Path
) -> None:
    classes = (*setup.task.classes, *(f"no image of {number}" for number in range(21_841 - 3)))
    task = Task(**setup.task.model_dump() | {"classes": classes})
    images = write_synthetic(setup.task.name, tmp_path / "images", each=36)
    data = open_data(task, DataSettings(path=images, group="stem", missing_classes="allow"), tmp_path / "cache")
    assert len(data.labels) == 3 * 3 * 36

    def predict(needed: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = np.zeros((len(needed), len(classes)), np.float32)
        logits[np.arange(len(needed)), 500 * (needed % 3)] = 1.0
        return logits

    cells = [Cell(domain=domain, split="all") for domain in task.domains]
    counting = Count(cells, data, 0)
    tracemalloc.start()
    counted = counting.of(predict)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.evaluation.count for one in counted] == [3 * 36] * 3
    assert {taken for one in counted for _, taken, _ in entries(one.evaluation.confusion)} == {0, 500, 1000}
    assert most < 128 * 2**20 < 8 * len(classes) ** 2


def test_what_is_counted_does_not_depend_on_how_many_logits_are_looked_at_together(
    setup: TrainingSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build(setup.architecture, 3).eval()
    transform = Transform(setup.architecture, torch.device("cpu"))
    images = setup.data.images(32)
    counting = Count([Cell(domain=domain, split="all") for domain in setup.task.domains], setup.data, 0)
    whole = counting.of(lambda needed: forward(network, images, needed, transform))
    monkeypatch.setattr(evaluate, "BLOCK_ENTRIES", 1)
    assert len(list(counting.blocks())) > 1
    assert counting.of(lambda needed: forward(network, images, needed, transform)) == whole
