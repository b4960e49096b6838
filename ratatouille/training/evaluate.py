"""Counting how a network classifies images, without augmentation: confusion matrices, scores and validation losses.

An image that several cells need passes through the network once. What a cell's domain, split and slice mean is decided
by `tasks.data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.tasks.data import LocalData
from ratatouille.training.augment import Transform

CHUNK = 64
"""Images per forward pass; a constant, since the size of a batch can change last bits."""


@dataclass(frozen=True)
class Counted:
    """An evaluation, and the mean cross-entropy over its images (NaN for none)."""

    evaluation: Evaluation
    loss: float


def forward(
    function: Callable[[Tensor], Tensor],
    images: NDArray[np.uint8],
    chosen: NDArray[np.int64],
    transform: Transform,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Outputs [len(chosen), …] of a function of normalised images, such as a network in eval mode."""
    outputs = []
    with torch.no_grad():
        for start in range(0, len(chosen), CHUNK):
            outputs.append(function(transform.plain(images[chosen[start : start + CHUNK]])).cpu())
            if progress is not None:
                progress(min(start + CHUNK, len(chosen)), len(chosen))
    return torch.cat(outputs).numpy()


class Count:
    """Cells of one holding that are to be filled, once or again and again."""

    def __init__(self, cells: Sequence[Cell], data: LocalData, trial: int) -> None:
        """Find the images of each cell; `trial` is which reshuffling of the splits."""
        self.cells = tuple(cells)
        self._chosen = [
            data.examples(
                cell.domain,
                None if cell.split == "all" else cell.split,
                trial,
                None if cell.slice == "all" else cell.slice,
            )
            for cell in cells
        ]
        self._needed = np.unique(np.concatenate([np.empty(0, np.int64), *self._chosen]))
        self.labels = data.labels[self._needed]
        """True classes of the images that are needed, int64 [len(self)]."""
        self._classes = len(data.task.classes)

    def __len__(self) -> int:
        """Number of images that are needed, each counted once."""
        return len(self._needed)

    def places(self) -> list[NDArray[np.int64]]:
        """For each cell, where its images are among those that are needed."""
        return [np.searchsorted(self._needed, chosen) for chosen in self._chosen]

    def of(self, predict: Callable[[NDArray[np.int64]], NDArray[np.float32]]) -> tuple[Counted, ...]:
        """Fill the cells, in order; one without images gets a matrix of zeros.

        `predict` gives logits [n, classes] of n examples; it is called once, with ascending indices.
        """
        logits = predict(self._needed) if len(self) else np.empty((0, self._classes), np.float32)
        losses = functional.cross_entropy(
            torch.from_numpy(logits).double(), torch.from_numpy(self.labels), reduction="none"
        ).numpy()
        predicted = logits.argmax(1)
        results = []
        for cell, at in zip(self.cells, self.places(), strict=True):
            confusion = np.zeros((self._classes, self._classes), np.int64)
            np.add.at(confusion, (self.labels[at], predicted[at]), 1)
            rows = tuple(tuple(int(entry) for entry in row) for row in confusion)
            loss = float(losses[at].mean()) if len(at) else float("nan")
            results.append(Counted(Evaluation(cell=cell, confusion=rows), loss))
        return tuple(results)
