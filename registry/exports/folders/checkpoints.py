"""A checkpoint as other software saves it: where its weights are, and what its config.json says of it.

What the config says is for `ratatouille.weights.configuration`, what must be equal for
`ratatouille.weights.compatibility`, and the tensors for `ratatouille.weights.whole`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.task import Task
from ratatouille.weights.configuration import CONFIG, Configuration, order_of, read_configuration
from ratatouille.weights.container import PICKLES, pickled
from registry.exports.folders.pulled import WEIGHTS, read_json


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was found; its weights were not opened yet."""

    weights: Path
    said: Configuration
    """Empty where there is no config.json."""

    def order(self, task: Task) -> list[int] | None:
        """Which output is each of the task's classes; None where the checkpoint does not name its outputs.

        Raises:
            Refusal: when the names are other ones than the task's.
        """
        return None if self.said.names is None else order_of(self.said.names, task.classes, task.name)

    def notes(self, size: int) -> list[str]:
        """What is only assumed of a network and its images of `size` pixels, as sentences."""
        notes = []
        if self.said.images is None:
            notes.append("the checkpoint does not say how its images were made; they are taken to be the federation's")
        notes.extend(
            f"{CONFIG} recommends {key} = {value}; the federation evaluates whole images of {size} pixels"
            for key, value in (self.said.recommended or {}).items()
        )
        return notes


def find_checkpoint(path: Path) -> Saved:
    """The checkpoint in a folder, or in a file; a file called `model.safetensors` may have its config beside it.

    Raises:
        Refusal: when there is none, or only pickles.
    """
    weights = _in_folder(path) if path.is_dir() else path
    beside = weights.parent / CONFIG
    # a file of another name may be one of many in its folder, and the config that of another one
    if (path.is_dir() or weights.name == WEIGHTS) and beside.is_file():
        return Saved(weights, read_configuration(read_json(beside)))
    return Saved(weights, Configuration())


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
