"""A checkpoint as other software saves it: where its weights are, and what its config.json says of classes and images.

The config is that of timm's hub layout, or of transformers' wrapper of timm. What it says is compared with the task and
the architecture that the checkpoint is pushed for; the tensors themselves are for `ratatouille.weights.whole`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.container import PICKLES, pickled
from registry.folders.pulled import CONFIG, WEIGHTS, read_json

CLOSE = 2e-3
"""Normalisations that differ by less are the same ones, rounded otherwise."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was found; its weights were not opened yet."""

    weights: Path
    config: Mapping[str, Any]
    """Empty where there is none."""

    def refuse_another_network(self, architecture: Architecture) -> None:
        """Refuse a config of another network than the one that the weights are pushed for."""
        stated = self.config.get("architecture")
        if isinstance(stated, str) and stated.partition(".")[0] != architecture.name.partition(".")[0]:
            raise Refusal(
                f"{CONFIG} says that the checkpoint is of {stated[:80]}, and --from is of {architecture.name}; name "
                "the version that it was trained from"
            )

    def differences(self, architecture: Architecture) -> list[str]:
        """Where the checkpoint's images are made otherwise than the federation's, as sentences."""
        images = self._images()
        found = [
            f"{CONFIG} normalises images with another {key} than this federation"
            for key, ours in (("mean", architecture.mean), ("std", architecture.std))
            if key in images and not _close(images[key], ours)
        ]
        if images.get("crop_mode", "squash") != "squash" or images.get("crop_pct", 1.0) != 1.0:
            found.append(f"{CONFIG} crops images; this federation squashes them to a square")
        return found

    def order(self, task: Task) -> list[int] | None:
        """Which output is each of the task's classes; None where the checkpoint does not name its outputs.

        Raises:
            Refusal: when the names are other ones than the task's.
        """
        names = self._label_names(len(task.classes))
        if names is None:
            return None
        strange = [name for name in names if name not in task.classes]
        missing = [name for name in task.classes if name not in names]
        if strange or missing:
            raise Refusal(
                f"the checkpoint's classes are not those of task {task.name}: it has '{(strange or names)[0][:80]}'"
                f"{f' and no {missing[0]!r}' if missing else ''}; rename its label_names in {CONFIG}, or train for the "
                "task's classes"
            )
        return [names.index(name) for name in task.classes]

    def _label_names(self, classes: int) -> list[str] | None:
        """Names of the outputs in their order, as timm or transformers write them."""
        stated = self.config.get("label_names") or self._images().get("label_names") or self.config.get("id2label")
        if isinstance(stated, dict):
            stated = [stated.get(str(number)) for number in range(len(stated))]
        if not stated:
            return None
        if not isinstance(stated, list) or not all(isinstance(name, str) for name in stated):
            raise Refusal(f"the label_names in {CONFIG} cannot be read; write a list of the names of the outputs")
        if len(stated) != classes or len(set(stated)) < classes:
            raise Refusal(f"the label_names in {CONFIG} are not {classes} different names, one for each output")
        return stated

    def _images(self) -> Mapping[str, Any]:
        images = self.config.get("pretrained_cfg")
        return images if isinstance(images, dict) else {}


def find_checkpoint(path: Path) -> Saved:
    """The checkpoint in a folder, or in a file; a file called `model.safetensors` may have its config beside it.

    Raises:
        Refusal: when there is none, or only pickles.
    """
    weights = _in_folder(path) if path.is_dir() else path
    beside = weights.parent / CONFIG
    # a file of another name may be one of many in its folder, and the config that of another one
    if (path.is_dir() or weights.name == WEIGHTS) and beside.is_file():
        return Saved(weights, read_json(beside))
    return Saved(weights, {})


def _in_folder(folder: Path) -> Path:
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    files = sorted(folder.iterdir())
    found = [path for path in files if path.suffix == ".safetensors"]
    if len(found) == 1:
        return found[0]
    pickles = [path for path in files if path.suffix.lower() in PICKLES]
    if pickles and not found:
        raise pickled(pickles[0])
    raise Refusal(f"'{folder}' has no {WEIGHTS}; save the weights as one file of that name, or name the file")


def _close(stated: object, ours: Sequence[float]) -> bool:
    try:
        return bool(np.allclose(np.asarray(stated, float), ours, atol=CLOSE))
    except (TypeError, ValueError):
        return False
