"""The worker tries the device once, before the node offers its data, and the node hears what came of it."""

import stat
import sys
from pathlib import Path

import pytest

from contributor_client.trial import DeviceTrial, try_device
from ratatouille.errors import Refusal
from ratatouille.processes import Child, Program
from ratatouille.training.preflight import Trial


def worker(folder: Path, program: str) -> Child:
    return Child(Program("worker", (sys.executable, "-c", program), folder / "worker.log", restart=True))


def asked(folder: Path, device: str = "cpu") -> DeviceTrial:
    """A trial without work, whose question is written."""
    trial = DeviceTrial(folder, Trial(device=device, work=()))
    trial.ask()
    return trial


def test_what_the_worker_found_is_said_once(tmp_path: Path) -> None:
    trial = asked(tmp_path)
    try_device(tmp_path)
    (sentence,) = trial.sentences(worker(tmp_path, "")) or [""]
    assert sentence.startswith("device cpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("question", [b"", b"{", b"[" * 100_000, b"\xff", b'{"device":1,"work":[]}'])
def test_a_question_that_cannot_be_read_is_refused_once(question: bytes, tmp_path: Path) -> None:
    (tmp_path / "trial.json").write_bytes(question)
    with pytest.raises(Refusal, match="this trial cannot be read"):
        try_device(tmp_path)
    assert list(tmp_path.iterdir()) == []
    try_device(tmp_path)


def test_links_in_the_places_of_question_and_answer_are_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    folder = tmp_path / "node"
    folder.mkdir()
    for name in ("trial.json", "tried.json", "tried.new"):
        (folder / name).symlink_to(tmp_path / "precious")
    trial = asked(folder)
    (folder / "tried.json").symlink_to(tmp_path / "precious")
    try_device(folder)
    (sentence,) = trial.sentences(worker(tmp_path, "")) or [""]
    assert sentence.startswith("device cpu")
    assert (tmp_path / "precious").read_text() == "kept"


def test_question_and_answer_are_for_their_owner_alone(tmp_path: Path) -> None:
    asked(tmp_path)
    assert stat.S_IMODE((tmp_path / "trial.json").stat().st_mode) == 0o600
    try_device(tmp_path)
    assert stat.S_IMODE((tmp_path / "tried.json").stat().st_mode) == 0o600


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    trial = asked(tmp_path, "abacus")
    try_device(tmp_path)
    with pytest.raises(Refusal, match="there is no device 'abacus'"):
        trial.sentences(worker(tmp_path, ""))


def test_a_worker_that_dies_over_the_trial_ends_it_and_is_not_asked_again(tmp_path: Path) -> None:
    trial = asked(tmp_path)
    question = str(tmp_path / "trial.json")
    program = f"import pathlib; pathlib.Path({question!r}).unlink(True); print('killed'); raise SystemExit(9)"
    with worker(tmp_path, program) as child, pytest.raises(Refusal, match=r"tried device cpu ended.*killed") as caught:
        trial.sentences(child)
    assert caught.value.code == "device-failed"
    try_device(tmp_path)
    assert not (tmp_path / "tried.json").exists()


def test_a_trial_that_takes_too_long_or_is_not_wanted_any_more_is_broken_off(tmp_path: Path) -> None:
    trial = asked(tmp_path)
    with worker(tmp_path, "import time; time.sleep(60)") as child:
        with pytest.raises(Refusal, match="did not do a step of the work within 0 s"):
            trial.sentences(child, seconds=0.0)
        assert trial.sentences(child, lambda: True) is None
