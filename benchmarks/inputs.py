"""The inputs of training benchmarks: the demo's emoji with EfficientNet-Lite0, and tiny shapes for their tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator.commands.demo import TARGET, TRAINING
from ratatouille.exchange.assignment import FineTune, KeepBest, Probe
from ratatouille.recipes.protocol import EMOJI
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.emoji import emoji_tasks, write_emoji
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from ratatouille.training import foundation
from ratatouille.training.foundation import Foundation

SIZES = {"emoji": EMOJI.image_size, "shapes": 32}
"""Kinds of data, and the pixels of a side."""
SHAPES: tuple[str, ...] = ("day", "night")
"""Styles of the shapes to train on."""


@dataclass(frozen=True)
class Inputs:
    """Images on this machine, the foundation, and the domains to train on."""

    data: LocalData
    foundation: Foundation
    domains: tuple[str, ...]
    size: int

    def _shared(self) -> dict[str, Any]:
        nothing = "0" * 64  # weights are handed over directly, so nobody looks their digests up
        return {
            "architecture": self.foundation.architecture.digest,
            "featurizer": nothing,
            "task": self.data.task.digest,
            "fingerprint": self.data.holding.fingerprint,
            "image_size": self.size,
            "domains": self.domains,
        }

    def fine_tune(self, steps: int, batch: int, **changes: Any) -> FineTune:
        """A training of all parameters; it is evaluated at its beginning and its end only."""
        settings = {
            "head": "0" * 64,
            "seed": 0,
            "steps": steps,
            "warmup": 0,
            "batch": batch,
            "learning_rate": EMOJI.learning_rate,
            "weight_decay": EMOJI.weight_decay,
            "dropout": 0.0,
            "evaluate_every": steps,
            "keep": KeepBest(),
        }
        return FineTune(**self._shared() | settings | changes)

    def probe(self) -> Probe:
        """A probe as the emoji protocol has it."""
        return Probe(**self._shared(), l2=EMOJI.probe_l2, iterations=EMOJI.probe_iterations)


def prepared_inputs(kind: str, folder: Path, size: int) -> Inputs:
    """Draw the images and read the weights.

    Raises:
        Refusal: when a package of the demo is not installed.
    """
    if kind == "shapes":
        task, domains = synthetic_tasks()["shapes"], SHAPES
        images, found = write_synthetic(task.name, folder / "images"), foundation.untrained("test_resnet", 0, size)
    else:
        task, domains = emoji_tasks()[TARGET], TRAINING
        images, found = write_emoji(TARGET, folder / "images"), foundation.efficientnet_lite0(size)
    settings = DataSettings(path=images, group="stem", domains={domain: domain for domain in domains})
    data = open_data(task, settings, folder / "cache")
    data.images(size)
    return Inputs(data, found, domains, size)
