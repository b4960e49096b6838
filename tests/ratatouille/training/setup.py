"""Tiny things to train: drawn shapes in two training styles and a held-out one, and a ResNet of 0.4 M parameters.

As a script, `setup.py FOLDER`: a run with a checkpoint at every step that stands still after five, to be killed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, KeepBest, KeepLast, Mixture, Probe
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from ratatouille.tasks.task import Task
from ratatouille.training import foundation, numerics
from ratatouille.training.network import save_part
from ratatouille.training.outcome import WorkOutcome
from ratatouille.training.perform import perform
from ratatouille.weights.architecture import Architecture, Part


@dataclass(frozen=True)
class TrainingSetup:
    """Everything that an assignment needs."""

    task: Task
    data: LocalData
    architecture: Architecture
    start: dict[str, Path]
    digests: dict[Part, str]

    def _shared(self) -> dict[str, Any]:
        return {
            "architecture": self.architecture.digest,
            "featurizer": self.digests["featurizer"],
            "task": self.task.digest,
            "fingerprint": self.data.holding.fingerprint,
            "image_size": 32,
        }

    def probe(self, **changes: Any) -> Probe:
        """A probe on day and night."""
        return Probe(**self._shared() | {"domains": ("day", "night"), "l2": 1e-3, "iterations": 300} | changes)

    def fine_tune(self, **changes: Any) -> FineTune:
        """Six steps on day and night, two of them warm-up."""
        settings = {
            "domains": ("day", "night"),
            "head": self.digests["head"],
            "seed": 3,
            "steps": 6,
            "warmup": 2,
            "batch": 8,
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "dropout": 0.1,
            "evaluate_every": 2,
            "keep": KeepLast(),
        }
        return FineTune(**self._shared() | settings | changes)

    def long_run(self) -> FineTune:
        """Nine steps."""
        return self.fine_tune(steps=9, keep=KeepBest())

    def evaluate(self, *cells: Cell, **changes: Any) -> Evaluate:
        """Count cells with the start weights."""
        return Evaluate(**self._shared() | {"head": self.digests["head"], "cells": cells} | changes)

    def compare(self, *networks: Mixture, **changes: Any) -> Compare:
        """Compare networks on the validation images."""
        cells = tuple(Cell(domain=domain, split="validation") for domain in ("day", "night"))
        shared = {key: value for key, value in self._shared().items() if key != "featurizer"}
        return Compare(**shared | {"networks": networks, "cells": cells} | changes)

    def perform(
        self,
        assignment: Probe | FineTune | Evaluate | Compare,
        workspace: Path,
        more: Mapping[str, Path] = MappingProxyType({}),
        **options: Any,
    ) -> WorkOutcome:
        """Do it, from the start weights, or from `more`."""
        start = {**self.start, **more}
        return perform(assignment, self.task, self.architecture, self.data, start, workspace, **options)


def set_up(folder: Path) -> TrainingSetup:
    """A setup in a folder; the same bits for every folder."""
    numerics.apply()
    task = synthetic_tasks()["shapes"]
    images = write_synthetic(task.name, folder / "images")
    data = open_data(task, DataSettings(path=images, group="stem"), folder / "cache")
    found = foundation.untrained("test_resnet", input_size=32)
    featurizer, path = save_part(found.featurizer, folder / "start")
    bare = TrainingSetup(task, data, found.architecture, {featurizer: path}, {"featurizer": featurizer})
    probed = bare.perform(bare.probe(), folder)
    assert probed.head is not None
    start = {featurizer: path, probed.head: probed.files[probed.head]}
    return TrainingSetup(task, data, found.architecture, start, {"featurizer": featurizer, "head": probed.head})


def stand_still(folder: Path) -> None:
    """Do `long_run` and say each step, until somebody kills us in the fifth."""
    setup = set_up(folder)

    def say(done: int, total: int, doing: str) -> None:
        print(done, flush=True)
        time.sleep(600 if done == 5 else 0)

    setup.perform(setup.long_run(), folder / "work", progress=say, checkpoint_seconds=0)


if __name__ == "__main__":
    stand_still(Path(sys.argv[1]))
