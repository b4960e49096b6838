"""Preflight: before a node joins, its device does a little of the work that rounds will ask for, and is timed.

A device that is not there, an image size that the network cannot take, or a memory that is too small is found here, in
front of the node's owner, and not in the middle of a round. The work itself is done by `timing`, in a process of its
own, so the caller needs no torch. Images are read; nothing is written and nothing leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import IO, Any

from ratatouille.errors import Refusal
from ratatouille.launch import importing
from ratatouille.processes import end_with_owner, environment_with_scripts, service
from ratatouille.record import Name, Record
from ratatouille.weights.architecture import Architecture

LONGEST_SECONDS = 600.0
"""Whatever has not been tried by then is not fast enough to be tried before each start."""
_LOOK_SECONDS = 0.2
_NOTHING_TO_TRY = "device {} works; there is no released version yet to try with"


class DeviceWork(Record):
    """One kind of work to try: a network, a size of images, and how much of it an assignment has."""

    task: Name
    classes: int
    architecture: Architecture
    image_size: int
    batch: int
    """Images of one training step."""
    steps: int
    """Steps of one training; 0 for a node that does not train."""
    images: int
    """Images of the holding, which an evaluation may look at."""
    paths: tuple[str, ...]
    digests: tuple[str, ...]
    """Some images of the holding."""
    source: str
    """Whose numbers these are, for the sentence."""
    asked: bool = True
    """Whether a round asks for this; otherwise how many steps a training has is not known."""


class Trial(Record):
    """What to try, as the process takes it; without work only the device is tried."""

    device: str
    work: tuple[DeviceWork, ...]
    guess: bool = False
    """Whether a guess from a few images is answered first, for a caller who may not wait for the rest."""


class Timed(Record):
    """One kind of work as it went on this device."""

    device: str
    seconds_per_step: float | None
    seconds_per_image: float
    guess: bool = False
    """Whether these are from a few images, not from whole steps."""


def try_out(
    device: str, work: Sequence[DeviceWork], seconds: float = LONGEST_SECONDS, stop: Callable[[], bool] = lambda: False
) -> list[str]:
    """Try the device, and each kind of work on it, in a process of its own; a sentence about each.

    It is broken off, without a sentence, when `stop` says so.

    Raises:
        Refusal: one sentence: the device is not there, the network cannot take such images, the memory is too small.
    """
    if find_spec("torch") is None:
        return ["the device was not tried: torch is not installed here; install model-ratatouille[node]"]
    if device == "cpu" and not work:  # every machine has one; importing torch to say so would take seconds
        return [_NOTHING_TO_TRY.format("cpu")]
    trial = Trial(device=device, work=tuple(work))
    with TrialProcess(device) as process:
        answer = process.answer(trial, seconds, stop)
    return sentences_of(trial, answer) if answer else []


def sentences_of(trial: Trial, answer: dict[str, Any]) -> list[str]:
    """A sentence about each kind of work that was tried.

    Raises:
        Refusal: when the device cannot do it.
    """
    if "refused" in answer:
        raise Refusal(str(answer["refused"]), code=str(answer["code"]))
    timed = [Timed.model_validate(one) for one in answer["timed"]]
    if not trial.work:
        return [_NOTHING_TO_TRY.format(answer["device"])]
    return [_sentence(one, took) for one, took in zip(trial.work, timed, strict=True)]


def ended(device: str, code: int | None, log: str) -> Refusal:
    """The refusal of a device whose trial ended without an answer; `log` is what its process wrote."""
    last = log.strip().splitlines()[-1:] or ["it wrote nothing"]
    how = "" if code is None else f" with code {code}"
    return Refusal(
        f"the process that tried device {device} ended{how}, perhaps because memory ran out: {last[0][:300]}",
        code="device-failed",
    )


def too_slow(device: str, seconds: float) -> Refusal:
    """The refusal of a device whose trial was broken off."""
    return Refusal(
        f"device {device} did not do a step of the work within {seconds:.0f} s; use another device, or join "
        "federations with smaller networks",
        code="device-failed",
    )


class TrialProcess:
    """A process that tries a device: it loads torch as soon as it is made, and gets its question later.

    A context manager: at the end of the block the process is ended, which may have minutes of work and gigabytes.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        pipe, environment = subprocess.PIPE, environment_with_scripts(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
        command = [*service("ratatouille.training.preflight"), str(os.getpid())]
        # A session of its own: Ctrl-C in a terminal is for the node, which then breaks this off.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
        )

    def answer(self, trial: Trial, seconds: float, stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The answer to a question, which is asked once; the guess, or nothing, when `stop` said so before it came.

        Raises:
            Refusal: when the process ended without an answer, or took longer than `seconds`.
        """
        until = time.monotonic() + seconds
        # `communicate` with a time limit sends the rest of a long question only in its first call.
        threading.Thread(target=_send, args=(self._process.stdin, trial.to_json()), daemon=True).start()
        self._process.stdin = None
        while True:
            try:
                output, words = self._process.communicate(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if stop():
                    self._process.kill()
                    return answer_of(self._process.communicate()[0]) or {}
                if time.monotonic() > until:
                    raise too_slow(self._device, seconds) from None
        if (answer := answer_of(output)) is None:
            raise ended(self._device, self._process.returncode, words.decode(errors="replace"))
        return answer

    def __enter__(self) -> TrialProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def _send(pipe: IO[bytes], question: bytes) -> None:
    with suppress(OSError), pipe:  # a process that has ended says why itself
        pipe.write(question)


def answer_of(output: bytes) -> dict[str, Any] | None:
    """The answer in the last line of what a trial wrote; None when it wrote none."""
    try:
        answer = json.loads(output.decode().strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return answer if isinstance(answer, dict) else None


def _sentence(work: DeviceWork, took: Timed) -> str:
    """How long an assignment takes here, as measured."""
    count = f"counting {work.images} images takes about {_time(work.images * took.seconds_per_image)}"
    count += " (guessed from a few images)" if took.guess else ""
    about = f"task {work.task}, {work.architecture.name} at {work.image_size} pixels ({work.source})"
    if took.seconds_per_step is None:
        return f"device {took.device}: {about}: {count}"
    if not work.asked:
        step = f"a step on one domain takes {took.seconds_per_step:.3g} s"
        return f"device {took.device}: {about}: {step}, and a round says how many a training has; {count}"
    training = _time(work.steps * took.seconds_per_step)
    return (
        f"device {took.device}: {about}: a step takes {took.seconds_per_step:.3g} s, so a training of {work.steps} "
        f"steps about {training}; {count}"
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def main() -> None:
    """Read a trial, write what came of it; end when the process whose id is the argument is gone."""
    end_with_owner(int(sys.argv[1]))
    with importing():
        from ratatouille.training import numerics

        numerics.apply()  # before timm is imported, which is then without torch's compiler
        from ratatouille.training.timing import attempt

    trial = Trial.from_json(sys.stdin.buffer.read())
    if trial.guess:
        print(json.dumps(answer := attempt(trial, guess=True)), flush=True)
        if "refused" in answer:
            return
    print(json.dumps(attempt(trial)), flush=True)


if __name__ == "__main__":
    main()
