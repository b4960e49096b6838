"""The time of a training step on this machine, before any training: a few steps from random weights."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from ratatouille.exchange.assignment import FineTune
from ratatouille.tasks.data import LocalData
from ratatouille.training import numerics
from ratatouille.training.augment import Transform
from ratatouille.training.fine_tune import FineTuning
from ratatouille.training.network import build
from ratatouille.weights.architecture import Architecture

_STEPS = 8
_FIRST = 2
"""Steps that do not count: the first ones also plan and allocate."""


def seconds_per_step(assignment: FineTune, architecture: Architecture, data: LocalData, device: str = "auto") -> float:
    """The median step of a short training with these values; nothing is kept of it.

    Raises:
        Refusal: as a training of this assignment would.
    """
    numerics.apply()
    on = numerics.device(device)
    network = build(architecture, len(data.task.classes), assignment.dropout, assignment.image_size).to(on)
    short = assignment.model_copy(update={"steps": _STEPS, "warmup": 0, "evaluate_every": _STEPS})
    ends: list[float] = []
    run = FineTuning(short, network, data, Transform(architecture, on))
    run.run(progress=lambda step, steps, loss: ends.append(time.monotonic()))
    # The last step is followed by an evaluation.
    return median(after - before for before, after in pairwise(ends[_FIRST:-1]))
