"""Counting how a network classifies images, without augmentation: confusion matrices, scores and validation losses.

An image that several cells need passes through the network once. What a cell's domain, split and slice mean is decided
by `tasks.data`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.confusion import Confusion, confusion_of
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import mean_score
from ratatouille.tasks.data import LocalData
from ratatouille.training.augment import Transform

CHUNK = 64
"""Images per forward pass; a constant, since the size of a batch can change last bits."""
BLOCK_ENTRIES = 2**22
"""Logits that are looked at together, 16 MiB of them; a chunk of very many classes may be more."""

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class CellCounts:
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


def confusion_among(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Confusion:
    """The confusion matrix of images with these true and predicted classes, both int64 [n].

    Its memory grows with the images and with what the form needs, never with the square of many classes.
    """
    places, images = np.unique(labels * classes + predicted, return_counts=True)
    trues, takens = (places // classes).tolist(), (places % classes).tolist()
    return confusion_of(classes, zip(trues, takens, images.tolist(), strict=True))


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

    def at(self, wanted: Indices) -> Indices:
        """Where these examples are among those that are needed."""
        return np.searchsorted(self._needed, wanted)

    def places(self) -> list[NDArray[np.int64]]:
        """For each cell, where its images are among those that are needed."""
        return [np.searchsorted(self._needed, chosen) for chosen in self._chosen]

    def of(self, predict: Callable[[Indices], NDArray[np.float32]]) -> tuple[CellCounts, ...]:
        """Fill the cells, in order; one without images gets a matrix of zeros.

        `predict` gives logits [n, classes] of n examples; it is called with ascending indices, block by block.
        """
        return self.filled(*self.looked(predict))

    def looked(self, predict: Callable[[Indices], NDArray[np.float32]]) -> tuple[Indices, NDArray[np.float64]]:
        """The predicted class and the cross-entropy of each image that is needed, both [len(self)].

        Logits of one block are in memory at a time: those of all images of a task of many classes take gigabytes.
        """
        predicted, losses = np.empty(len(self), np.int64), np.empty(len(self), np.float64)
        for block in self.blocks():
            logits = predict(self._needed[block])
            truth = torch.from_numpy(self.labels[block])
            each = functional.cross_entropy(torch.from_numpy(logits).double(), truth, reduction="none")
            predicted[block], losses[block] = logits.argmax(1), each.numpy()
        return predicted, losses

    def blocks(self) -> Iterator[slice]:
        """The images that are needed, in parts whose logits fit; whole chunks, so that no bit depends on the parts."""
        rows = CHUNK * max(1, BLOCK_ENTRIES // (CHUNK * self._classes))
        for start in range(0, len(self), rows):
            yield slice(start, min(start + rows, len(self)))

    def filled(self, predicted: Indices, losses: NDArray[np.float64]) -> tuple[CellCounts, ...]:
        """The cells of what `looked` returned, in order."""
        results = []
        for cell, at in zip(self.cells, self.places(), strict=True):
            confusion = confusion_among(self.labels[at], predicted[at], self._classes)
            loss = float(losses[at].mean()) if len(at) else float("nan")
            results.append(CellCounts(Evaluation(cell=cell, confusion=confusion), loss))
        return tuple(results)


def judge(counted: Iterable[CellCounts], metric: str) -> tuple[Fraction, float]:
    """The score of cells, which is the mean over their domains, and their mean cross-entropy over all images.

    A domain whose few groups all fell into training has no score and is left out of the mean.
    """
    cells = [each for each in counted if each.evaluation.count]
    score = mean_score(each.evaluation.exact(metric) for each in cells)
    assert score is not None  # there are images
    loss = math.fsum(each.loss * each.evaluation.count for each in cells)
    return score, loss / sum(each.evaluation.count for each in cells)
