"""The trial of a node's device by its worker: the node writes the question into its folder, and the worker the answer.

The worker removes the question before it begins. So a worker that ends during the trial, and is started again, does not
repeat it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from contributor_client.time_left import SPEED, DeviceSpeed
from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.launch import importing
from ratatouille.processes import Child
from ratatouille.training.preflight import LONGEST_SECONDS, Trial, answer_of, ended, sentences_of, too_slow

_PAUSE_SECONDS = 0.1


class DeviceTrial:
    """One trial of one device; its two files are in a folder that is the node's alone."""

    def __init__(self, folder: Path, trial: Trial) -> None:
        """Nothing is written yet.

        Raises:
            Refusal: when torch is not installed here.
        """
        if find_spec("torch") is None:
            raise Refusal("a node needs torch, which is not installed here; install model-ratatouille[node]")
        self._trial = trial
        self._folder, self._answer = folder, _answer_file(folder)

    def ask(self) -> None:
        """Write the question; do this before the worker starts."""
        for earlier in (self._answer, self._folder / SPEED):
            earlier.unlink(missing_ok=True)
        write_whole(_question_file(self._folder), [self._trial.to_json()], private=True)  # it has paths of images

    def sentences(
        self, worker: Child, unwanted: Callable[[], bool] = lambda: False, seconds: float = LONGEST_SECONDS
    ) -> list[str] | None:
        """Wait for the answer of a worker that was started: a sentence about each kind of work.

        Returns:
            None when the trial is `unwanted` meanwhile, since the node is to rest or to leave.

        Raises:
            Refusal: when the device cannot do the work, the worker ended over it, or it took too long.
        """
        device, until = self._trial.device, time.monotonic() + seconds
        while not self._answer.exists():
            if unwanted():
                return None
            if worker.starts > 1 or worker.given_up:
                raise ended(device, worker.exit_code, worker.log_tail(1))
            if time.monotonic() > until:
                raise too_slow(device, seconds)
            time.sleep(_PAUSE_SECONDS)
        answer = answer_of(self._answer.read_bytes())
        self._answer.unlink()
        if answer is None:
            raise ended(device, worker.exit_code, worker.log_tail(1))
        return sentences_of(self._trial, answer)


def try_device(folder: Path) -> None:
    """In the worker: do the trial that the node has asked for, if it has; needs torch.

    Raises:
        Refusal: for a question that cannot be read; it is taken away like every other.
    """
    question = _question_file(folder)
    try:
        asked = question.read_bytes()
    except FileNotFoundError:
        return
    question.unlink()
    trial = Trial.from_json(asked)
    with importing():
        from ratatouille.training import numerics

        numerics.apply()  # before timm is imported, which is then without torch's compiler
        from ratatouille.training.timing import attempt

    answer = attempt(trial)
    if answer.get("timed"):
        DeviceSpeed.of(trial, answer).write(folder / SPEED)
    write_whole(_answer_file(folder), [json.dumps(answer).encode()], private=True)


def _question_file(folder: Path) -> Path:
    return folder / "trial.json"


def _answer_file(folder: Path) -> Path:
    return folder / "tried.json"
