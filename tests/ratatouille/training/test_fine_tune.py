"""The laws of the training loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import KeepBest
from ratatouille.training import foundation
from ratatouille.training.augment import Transform
from ratatouille.training.batches import class_weights
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import Network, build
from ratatouille.weights.canonical import open_part
from tests.ratatouille.training.setup import TrainingSetup

START_LOSS = 1.1007


def network_of(setup: TrainingSetup) -> Network:
    network = build(setup.architecture, 3, 0.1)
    for part, digest in setup.digests.items():
        network.load(part, open_part(setup.start[digest], setup.architecture.part(part, 3)))
    return network


def prepare(setup: TrainingSetup, **changes: Any) -> FineTuning:
    transform = Transform(setup.architecture, torch.device("cpu"))
    return FineTuning(setup.fine_tune(**changes), network_of(setup), setup.data, transform)


def test_two_runs_have_the_same_bits(setup: TrainingSetup, tmp_path: Path) -> None:
    first, second = (setup.perform(setup.fine_tune(), tmp_path / name) for name in "ab")
    assert (first.featurizer, first.head) == (second.featurizer, second.head)
    assert first.curve == second.curve
    other = setup.perform(setup.fine_tune(seed=4), tmp_path / "c")
    assert other.featurizer != first.featurizer


def test_statistics_never_move_and_everything_else_does(setup: TrainingSetup) -> None:
    run = prepare(setup)
    before = run.network.dump("featurizer")
    run.run()
    after = run.network.dump("featurizer")
    for tensor in setup.architecture.featurizer:
        assert np.array_equal(before[tensor.name], after[tensor.name]) == tensor.buffer, tensor.name


def test_runs_with_equal_seeds_see_equal_batches_from_any_start(setup: TrainingSetup) -> None:
    first, second = prepare(setup), prepare(setup, warmup=0, learning_rate=1e-5)
    second.network.load("featurizer", foundation.untrained("test_resnet", 1, 32).featurizer)
    first.run()
    second.run()
    for name, state in first.batches.state().items():
        assert torch.equal(state, second.batches.state()[name]), name
    assert first.curve != second.curve


def test_the_warm_up_has_exactly_its_steps_and_trains_the_head_only(setup: TrainingSetup, tmp_path: Path) -> None:
    warm = setup.perform(setup.fine_tune(steps=3, warmup=3), tmp_path)
    assert warm.featurizer == setup.digests["featurizer"]
    assert warm.head != setup.digests["head"]
    further = setup.perform(setup.fine_tune(steps=4, warmup=3), tmp_path)
    assert further.featurizer != setup.digests["featurizer"]


def test_no_gradient_of_the_featurizer_is_computed_during_warm_up(setup: TrainingSetup) -> None:
    run = prepare(setup, steps=2, warmup=2)
    run.run()
    assert all(parameter.grad is None for parameter in run.network.featurizer.parameters())


def test_an_empty_warm_up_trains_everything_at_once(setup: TrainingSetup, tmp_path: Path) -> None:
    outcome = setup.perform(setup.fine_tune(steps=1, warmup=0), tmp_path)
    assert outcome.featurizer != setup.digests["featurizer"]


def test_the_first_step_of_adam_moves_every_weight_by_the_learning_rate(setup: TrainingSetup) -> None:
    run = prepare(setup, steps=2, warmup=1, weight_decay=0.0)
    before = run.network.dump("featurizer")
    run.run()  # the second step is the first one of a fresh optimiser
    after = run.network.dump("featurizer")
    moved = np.abs(after["conv1.0.weight"] - before["conv1.0.weight"])
    np.testing.assert_allclose(np.median(moved), 1e-3, rtol=1e-3)
    assert moved.max() <= 1e-3 * (1 + 1e-4)


def test_it_evaluates_at_step_zero_at_every_so_many_and_at_the_last(setup: TrainingSetup) -> None:
    trained = prepare(setup, steps=7, evaluate_every=3).run()
    assert [point.step for point in trained.curve] == [0, 3, 6, 7]
    assert trained.curve[0].loss is None
    assert all(point.loss is not None for point in trained.curve[1:])


def test_the_score_is_the_mean_over_domains_and_the_best_step_is_kept(setup: TrainingSetup) -> None:
    trained = prepare(setup, keep=KeepBest(), steps=6).run()
    scores = [point.score for point in trained.curve]
    assert trained.kept_step == trained.curve[int(np.argmax(scores))].step
    assert [evaluation.cell.domain for evaluation in trained.evaluations] == ["day", "night"]
    kept = np.mean([evaluation.accuracy for evaluation in trained.evaluations])
    assert abs(kept - max(scores)) < 1e-12


def test_a_probed_head_is_a_good_start_and_training_improves_the_loss(setup: TrainingSetup) -> None:
    """A known answer, loose enough for other processors."""
    trained = prepare(setup, steps=24, warmup=0, evaluate_every=12, dropout=0.0).run()
    losses = [point.loss for point in trained.curve[1:]]
    np.testing.assert_allclose(trained.curve[0].validation_loss, START_LOSS, rtol=0.02)
    assert None not in losses
    assert losses[1] < losses[0]  # type: ignore[operator]
    assert trained.images == 56


def test_a_training_that_diverges_is_refused_with_the_remedy(setup: TrainingSetup) -> None:
    with pytest.raises(Refusal, match=r"diverged: .* lower the learning rate \(1e\+30\)"):
        prepare(setup, learning_rate=1e30, warmup=0).run()


def test_a_domain_without_training_images_is_refused_by_name(setup: TrainingSetup) -> None:
    task = setup.task.model_copy(update={"domains": (*setup.task.domains, "dusk")})
    with pytest.raises(Refusal, match="no training image of domain 'dusk' of task 'shapes'"):
        prepare(replace(setup, data=replace(setup.data, task=task)), domains=("day", "dusk"))


def test_balanced_class_weights_give_every_class_the_same_total(setup: TrainingSetup) -> None:
    training = setup.data.examples("day", "train")
    assert class_weights(setup.data, training) is None
    task = setup.task.model_copy(update={"class_weights": "balanced"})
    weights = class_weights(replace(setup.data, task=task), training)
    assert weights is not None
    totals = weights.numpy() * np.bincount(setup.data.labels[training])
    np.testing.assert_allclose(totals, len(training) / 3, rtol=1e-6)
