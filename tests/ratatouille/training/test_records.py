"""Records of trainings: what is in them, that no step is there twice, and that they stay."""

from __future__ import annotations

import json
import logging
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event

from ratatouille.exchange.assignment import KeepBest, parse_assignment
from ratatouille.training import run_files
from ratatouille.training.perform import clean
from ratatouille.training.run_files import Records
from tests.ratatouille.training.setup import TrainingSetup
from tests.ratatouille.training.test_checkpoint import Killed, stopped_after


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def events_of(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Steps and values of the one event file, read as TensorBoard does: length, checksum, event, checksum."""
    (path,) = folder.glob("events.out.tfevents.*")
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length) == (_masked(body),)
        event = Event.FromString(body)
        at += 16 + length
        if event.file_version:
            assert (at, event.file_version) == (16 + length, "brain.Event:2")
            continue
        found.append((event.step, {value.tag: value.simple_value for value in event.summary.value}))
    return found


def _masked(data: bytes) -> int:
    checksum: int = crc32c(data) & 0xFFFFFFFF
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: line[key] for key in line if key not in ("seconds", "images_per_second")} for line in lines]


def test_every_step_has_a_line_and_an_event_and_evaluated_ones_have_their_scores(
    setup: TrainingSetup, tmp_path: Path
) -> None:
    assignment = setup.fine_tune(steps=5, evaluate_every=2, learning_rate=1e-3)
    outcome = setup.perform(assignment, tmp_path)
    folder = tmp_path / "runs" / assignment.digest
    lines = lines_of(folder)
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert (
        [line["step"] for line in lines if "score" in line] == [point.step for point in outcome.curve] == [0, 2, 4, 5]
    )
    for point in outcome.curve:
        assert lines[point.step]["score"] == pytest.approx(point.score, rel=1e-6)
        assert lines[point.step]["validation_loss"] == pytest.approx(point.validation_loss, rel=1e-6)
    assert outcome.curve[1].loss == pytest.approx((lines[1]["loss"] + lines[2]["loss"]) / 2, rel=1e-6)
    assert set(lines[0]) == {"step", "seconds", "validation_loss", "score"}
    assert set(lines[1]) == {"step", "seconds", "loss", "learning_rate", "images_per_second"}
    assert lines[1]["learning_rate"] == 1e-3
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)
    for (step, values), line in zip(events_of(folder), lines, strict=True):
        assert step == line["step"]
        assert values == {
            run_files.TAGS[name]: pytest.approx(line[name], rel=1e-6) for name in run_files.TAGS if name in line
        }
    assert parse_assignment((folder / "assignment.json").read_bytes()) == assignment


@pytest.mark.parametrize("step", [1, 3, 6, 8])
def test_a_run_that_goes_on_has_no_step_twice(setup: TrainingSetup, tmp_path: Path, step: int) -> None:
    assignment = setup.fine_tune(steps=9, warmup=3, keep=KeepBest())
    setup.perform(assignment, tmp_path / "undisturbed")
    with pytest.raises(Killed):
        setup.perform(assignment, tmp_path / "stopped", checkpoint_seconds=0.0, progress=stopped_after(step))
    folder = tmp_path / "stopped" / "runs" / assignment.digest
    # the step in which it was stopped has a line, and no checkpoint yet: it is done again
    assert [line["step"] for line in lines_of(folder)] == list(range(step + 1))
    setup.perform(assignment, tmp_path / "stopped")
    assert without_times(lines_of(folder)) == without_times(
        lines_of(tmp_path / "undisturbed" / "runs" / assignment.digest)
    )
    assert [line["step"] for line in lines_of(folder)] == list(range(10)) == [step for step, _ in events_of(folder)]


def test_a_run_that_starts_over_starts_its_records_over(setup: TrainingSetup, tmp_path: Path) -> None:
    assignment = setup.fine_tune(steps=3)
    for _ in range(2):
        setup.perform(assignment, tmp_path)
        assert [line["step"] for line in lines_of(tmp_path / "runs" / assignment.digest)] == [0, 1, 2, 3]


def test_records_stay_when_the_work_is_cleaned_away(setup: TrainingSetup, tmp_path: Path) -> None:
    assignment = setup.fine_tune(steps=2)
    setup.perform(assignment, tmp_path)
    clean(tmp_path, assignment.digest)
    assert len(lines_of(tmp_path / "runs" / assignment.digest)) == 3


def test_the_newest_runs_stay(setup: TrainingSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "RUNS", 3)
    assignments = [setup.fine_tune(seed=seed) for seed in range(5)]
    for number, assignment in enumerate(assignments):
        with Records(tmp_path, assignment) as kept:
            kept.begin(None, 0.0)
        os.utime(tmp_path / assignment.digest, (number, number))
    assert {path.name for path in tmp_path.iterdir()} == {assignment.digest for assignment in assignments[2:]}


def test_a_line_that_was_cut_off_is_left_out_when_a_run_goes_on(setup: TrainingSetup, tmp_path: Path) -> None:
    assignment = setup.fine_tune()
    with Records(tmp_path, assignment) as first:
        first.begin(None, 0.0)
        first.write(1, 0.5, {"loss": 2.0, "score": None})
    with (tmp_path / assignment.digest / "metrics.jsonl").open("a") as file:
        file.write('not JSON\n[1]\n{"step": 2, "seco')
    with Records(tmp_path, assignment) as second:
        second.begin(1, 0.5)
        second.write(2, 0.7, {"loss": 1.5})
    assert lines_of(tmp_path / assignment.digest) == [
        {"step": 1, "seconds": 0.5, "loss": 2.0},
        {"step": 2, "seconds": 0.7, "loss": 1.5},
    ]
    assert [step for step, _ in events_of(tmp_path / assignment.digest)] == [1, 2]


def test_records_that_cannot_be_written_are_told_once_and_stop_no_run(
    setup: TrainingSetup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "runs").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        outcome = setup.perform(setup.fine_tune(), tmp_path)
    assert outcome.featurizer is not None
    (told,) = caplog.records
    assert "no more records of this run: " in told.message
