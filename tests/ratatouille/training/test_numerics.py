"""Profiles: trainings whose passes compute in bfloat16, and what stays float32 in them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, FineTune
from ratatouille.exchange.dialect import BFLOAT16, NUMERICS, PROFILES
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import build
from ratatouille.weights.canonical import open_part
from tests.ratatouille.training.setup import TrainingSetup


def in_bfloat16(setup: TrainingSetup, **changes: int) -> FineTune:
    return setup.fine_tune(numerics=BFLOAT16, **changes)


def test_a_profile_is_part_of_the_question_and_the_default_is_in_none_but_itself(setup: TrainingSetup) -> None:
    assert setup.fine_tune().numerics == NUMERICS == PROFILES["float32"]
    assert in_bfloat16(setup).digest != setup.fine_tune().digest


def test_passes_compute_in_bfloat16_and_weights_gradients_and_moments_stay_float32(setup: TrainingSetup) -> None:
    work = in_bfloat16(setup, steps=3, warmup=1)
    network = build(setup.architecture, len(setup.task.classes), work.dropout, work.image_size)
    for part in ("featurizer", "head"):
        tensors = setup.architecture.part(part, len(setup.task.classes))
        network.load(part, open_part(setup.start[setup.digests[part]], tensors))
    seen: list[tuple[bool, torch.dtype]] = []
    network.head.register_forward_hook(lambda module, inputs, output: seen.append((module.training, output.dtype)))
    run = FineTuning(work, network, setup.data, Transform(setup.architecture, torch.device("cpu")))
    run.run()
    assert {dtype for training, dtype in seen if training} == {torch.bfloat16}
    assert {dtype for training, dtype in seen if not training} == {torch.float32}  # what is counted
    parameters = list(network.parameters())
    assert {one.dtype for one in parameters} == {torch.float32}
    assert {one.grad.dtype for one in parameters if one.grad is not None} == {torch.float32}
    moments = [state["exp_avg"].dtype for state in run.optimiser.state.values()]
    assert moments
    assert set(moments) == {torch.float32}


def test_a_training_in_bfloat16_is_close_to_one_in_float32_and_other_weights(
    setup: TrainingSetup, tmp_path: Path
) -> None:
    plain = setup.perform(setup.fine_tune(), tmp_path)
    short = setup.perform(in_bfloat16(setup), tmp_path)
    assert short.featurizer != plain.featurizer
    for one, other in zip(plain.curve, short.curve, strict=True):
        np.testing.assert_allclose(other.validation_loss, one.validation_loss, rtol=0.05)
    # The start is counted in float32 by both.
    assert short.curve[0] == plain.curve[0]


def test_a_training_in_bfloat16_makes_the_same_bits_again_also_when_it_was_stopped(
    setup: TrainingSetup, tmp_path: Path
) -> None:
    work = in_bfloat16(setup)
    whole = setup.perform(work, tmp_path / "whole")

    def stop(done: int, total: int, doing: str) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        setup.perform(work, tmp_path / "stopped", checkpoint_seconds=0.0, progress=stop)
    resumed = setup.perform(work, tmp_path / "stopped")
    assert (resumed.featurizer, resumed.head, resumed.curve) == (whole.featurizer, whole.head, whole.curve)


def test_what_is_counted_or_probed_is_never_asked_for_in_bfloat16(setup: TrainingSetup, tmp_path: Path) -> None:
    cell = Cell(domain="day", split="validation")
    for work in (setup.probe(numerics=BFLOAT16), setup.evaluate(cell, numerics=BFLOAT16)):
        with pytest.raises(Refusal, match=f"numerics '{BFLOAT16}'; this node has revision 2 and '{NUMERICS}'; upgrade"):
            setup.perform(work, tmp_path)


def test_the_default_profile_opens_no_autocast() -> None:
    with numerics.passes(NUMERICS, torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")
    with numerics.passes(BFLOAT16, torch.device("cpu")):
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
