"""A run that is killed and goes on ends with the bits of one that was left in peace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ratatouille.exchange.assignment import FineTune, Keep, KeepBest, KeepLast, KeepMean, KeepValley
from ratatouille.training.outcome import WorkOutcome
from ratatouille.training.run_files import CheckpointFile
from ratatouille.training.saver import Saver
from tests.ratatouille.training.setup import TrainingSetup


class Killed(BaseException):
    """Stands for a signal."""


KEEPS = (KeepBest(), KeepLast(), KeepMean(start=3), KeepValley(converge=2, tolerance=2))


@pytest.fixture(scope="module", params=KEEPS, ids=lambda keep: keep.kind)
def undisturbed(
    request: pytest.FixtureRequest, setup: TrainingSetup, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FineTune, WorkOutcome]:
    """A run of nine steps, and what it ends with."""
    assignment = setup.fine_tune(steps=9, warmup=3, keep=request.param)
    return assignment, setup.perform(assignment, tmp_path_factory.mktemp("undisturbed"))


def stopped_after(step: int):  # type: ignore[no-untyped-def]
    def progress(done: int, total: int, doing: str) -> None:
        if done == step:
            raise Killed

    return progress


@pytest.mark.parametrize("step", [1, 2, 3, 4, 8])
def test_a_run_that_stops_anywhere_goes_on_to_the_same_bits(
    setup: TrainingSetup, tmp_path: Path, undisturbed: tuple[FineTune, WorkOutcome], step: int
) -> None:
    assignment, whole = undisturbed
    with pytest.raises(Killed):
        setup.perform(assignment, tmp_path / "stopped", checkpoint_seconds=0.0, progress=stopped_after(step))
    steps: list[int] = []
    resumed = setup.perform(assignment, tmp_path / "stopped", progress=lambda done, total, doing: steps.append(done))
    assert steps == list(range(step, 10))  # the step in which it was stopped had no checkpoint yet
    assert (resumed.featurizer, resumed.head) == (whole.featurizer, whole.head)
    assert resumed.curve == whole.curve
    assert resumed.kept_step == whole.kept_step
    assert resumed.evaluations == whole.evaluations


@pytest.mark.parametrize("keep", KEEPS, ids=lambda keep: keep.kind)
def test_a_run_that_is_saved_within_a_step_or_a_validation_loses_no_step_and_no_bit(
    setup: TrainingSetup, tmp_path: Path, keep: Keep
) -> None:
    assignment = setup.fine_tune(steps=9, warmup=3, evaluate_every=3, keep=keep)
    saver = Saver()
    saved: dict[int, tuple[int, bytes]] = {}
    steps: list[int] = []
    checkpoint = tmp_path / "work" / "checkpoints" / f"{assignment.digest}.checkpoint"

    def save(*_: object) -> None:
        step = saver.save()
        if step is not None:
            saved[len(saved)] = (step, checkpoint.read_bytes())

    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, *_: save() if isinstance(module, torch.nn.Linear) else None
    )
    with hook:
        undisturbed = setup.perform(assignment, tmp_path / "work", checkpoint_seconds=600.0, saver=saver)
    assert {step for step, _ in saved.values()} == set(range(1, 10))  # the last one is validated twice
    assert saver.save() is None
    for step, state in list(saved.values())[1::3]:
        checkpoint.write_bytes(state)
        steps.clear()
        resumed = setup.perform(assignment, tmp_path / "work", progress=lambda done, *_: steps.append(done))
        assert steps == list(range(step + 1, 10))
        assert (resumed.featurizer, resumed.head) == (undisturbed.featurizer, undisturbed.head)
        assert resumed.curve == undisturbed.curve
        assert resumed.evaluations == undisturbed.evaluations


def test_a_process_that_is_killed_is_resumed_by_another_to_the_same_bits(setup: TrainingSetup, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("setup.py")), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert [int(process.stdout.readline()) for _ in range(5)] == [1, 2, 3, 4, 5]
        os.kill(process.pid, signal.SIGKILL)
    assignment = setup.long_run()
    assert (tmp_path / "work" / "checkpoints" / f"{assignment.digest}.checkpoint").exists()
    records = tmp_path / "work" / "runs" / assignment.digest / "metrics.jsonl"
    assert [json.loads(line)["step"] for line in records.read_text().splitlines()] == list(range(6))
    steps: list[int] = []
    resumed = setup.perform(assignment, tmp_path / "work", progress=lambda done, *_: steps.append(done))
    assert steps == [5, 6, 7, 8, 9]
    assert [json.loads(line)["step"] for line in records.read_text().splitlines()] == list(range(10))
    undisturbed = setup.perform(assignment, tmp_path / "undisturbed")
    assert (resumed.featurizer, resumed.head) == (undisturbed.featurizer, undisturbed.head)
    assert resumed.curve == undisturbed.curve


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_checkpoint_that_cannot_be_read_is_ignored(tmp_path: Path, damage: bytes | None) -> None:
    file = CheckpointFile(tmp_path, "0" * 64, {"torch": "1"})
    assert file.load() is None
    file.save({"step": 3})
    assert file.load() == {"step": 3}
    file.path.write_bytes(file.path.read_bytes()[:-30] if damage is None else damage)
    assert file.load() is None


def test_a_checkpoint_of_other_software_or_another_question_is_ignored(tmp_path: Path) -> None:
    CheckpointFile(tmp_path, "0" * 64, {"torch": "1"}).save({"step": 3})
    assert CheckpointFile(tmp_path, "0" * 64, {"torch": "2"}).load() is None
    (tmp_path / f"{'0' * 64}.checkpoint").rename(tmp_path / f"{'1' * 64}.checkpoint")
    assert CheckpointFile(tmp_path, "1" * 64, {"torch": "1"}).load() is None


def test_a_checkpoint_with_a_pickled_object_is_never_loaded(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path, "0" * 64, {})
    torch.save({"stamp": Path("an object")}, file.path)
    assert file.load() is None
