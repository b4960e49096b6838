"""The time that work takes on this machine: a device that is tried, and the steps of a short training.

For each kind of work of a `Trial`: the network is built, images are decoded, one forward pass is done, and, where the
node trains, a few steps of an optimiser on random weights. What is measured is what a training does, but for
augmentation. A rehearsal, which has an assignment, measures the steps of a real training.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune
from ratatouille.failure import failure_of
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.images import decoded
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import CHUNK
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import build
from ratatouille.training.preflight import DeviceWork, Timed, Trial
from ratatouille.weights.architecture import Architecture

_TIMED_STEPS = 4
"""Timed steps; the first one also plans and allocates, and does not count."""
_ENOUGH_SECONDS = 10.0
"""Slow steps are timed less often."""
_SHORT_STEPS = 8
_GUESS_IMAGES, _GUESS_SECONDS = 4, 1.0
"""A guess is made from so few images, and from one pass where that takes longer."""
_NOT_COUNTED = 2
"""Steps that do not count: the first ones also plan and allocate."""


def attempt(trial: Trial, guess: bool = False) -> dict[str, Any]:
    """Try everything; what is refused is said, and ends it. A guess takes a few images in place of whole steps."""
    try:
        numerics.apply()
        on = numerics.device(trial.device)
        _, name = numerics.describe(on)
        float((torch.ones(8, device=on) * 2).sum())  # a device that is there may still not compute
        timed = [_timed(work, on, name, guess).model_dump(mode="json") for work in trial.work]
    except Refusal as error:
        return {"refused": str(error), "code": error.code}
    except (RuntimeError, MemoryError) as error:
        failure = failure_of(error)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        return {"refused": f"device {trial.device} cannot do the work: {first}", "code": failure.code}
    return {"device": name, "timed": timed, "memory": None if guess else _peak_bytes()}


def _peak_bytes() -> int:
    """The most memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _timed(work: DeviceWork, on: torch.device, device: str, guess: bool) -> Timed:
    network = build(work.architecture, work.classes, 0.0, work.image_size).to(on)
    pixels = decoded([Path(path) for path in work.paths], work.digests, work.image_size)
    transform = Transform(work.architecture, on)
    most, enough = (_GUESS_IMAGES, _GUESS_SECONDS) if guess else (CHUNK, _ENOUGH_SECONDS)
    some = np.resize(np.arange(len(pixels)), min(most, len(pixels)))

    def count() -> None:
        with torch.no_grad():
            network.eval()(transform.plain(pixels[some])).argmax(1).tolist()

    per_image = _median(count, enough) / len(some)
    if not work.steps:
        return Timed(device=device, seconds_per_step=None, seconds_per_image=per_image, guess=guess)
    batch = np.resize(np.arange(len(pixels)), min(work.batch, _GUESS_IMAGES) if guess else work.batch)
    labels = torch.zeros(len(batch), dtype=torch.int64, device=on)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-6, fused=True)

    def step() -> None:
        loss = functional.cross_entropy(network.train()(transform.plain(pixels[batch])), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        loss.item()

    per_step = _median(step, enough) * work.batch / len(batch)
    return Timed(device=device, seconds_per_step=per_step, seconds_per_image=per_image, guess=guess)


def _median(action: Callable[[], None], enough: float) -> float:
    """Seconds that an action takes, after it was done once; it is repeated within `enough` seconds."""
    took: list[float] = []
    while len(took) < _TIMED_STEPS and sum(took) < enough:
        began = time.monotonic()
        action()
        took.append(time.monotonic() - began)
    return median(took[1:] or took)


def seconds_per_step(assignment: FineTune, architecture: Architecture, data: LocalData, device: str = "auto") -> float:
    """The median step of a short training with these values; nothing is kept of it.

    Raises:
        Refusal: as a training of this assignment would.
    """
    numerics.apply()
    on = numerics.device(device)
    network = build(architecture, len(data.task.classes), assignment.dropout, assignment.image_size).to(on)
    short = assignment.model_copy(update={"steps": _SHORT_STEPS, "warmup": 0, "evaluate_every": _SHORT_STEPS})
    ends: list[float] = []
    run = FineTuning(short, network, data, Transform(architecture, on))
    run.run(progress=lambda step, steps, loss: ends.append(time.monotonic()))
    # The last step is followed by an evaluation.
    return median(after - before for before, after in pairwise(ends[_NOT_COUNTED:-1]))
