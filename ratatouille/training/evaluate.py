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


def indices(data: LocalData, cell: Cell, trial: int) -> NDArray[np.int64]:
    """The examples of a cell."""
    return data.examples(
        cell.domain,
        None if cell.split == "all" else cell.split,
        trial,
        None if cell.slice == "all" else cell.slice,
    )


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


def count(
    cells: Sequence[Cell],
    data: LocalData,
    trial: int,
    predict: Callable[[NDArray[np.int64]], NDArray[np.float32]],
) -> tuple[Counted, ...]:
    """Fill cells.

    Args:
        cells: what to count.
        data: labels and splits.
        trial: which reshuffling of the splits.
        predict: gives logits [n, classes] of n examples; called once, with ascending indices.

    Returns:
        One result for each cell, in order. A cell without images gets a matrix of zeros.
    """
    wanted = [indices(data, cell, trial) for cell in cells]
    needed = np.unique(np.concatenate([np.empty(0, np.int64), *wanted]))
    classes = len(data.task.classes)
    labels = data.labels[needed]
    logits = predict(needed) if len(needed) else np.empty((0, classes), np.float32)
    predicted = logits.argmax(1)
    losses = functional.cross_entropy(
        torch.from_numpy(logits).double(), torch.from_numpy(labels), reduction="none"
    ).numpy()
    results = []
    for cell, chosen in zip(cells, wanted, strict=True):
        at = np.searchsorted(needed, chosen)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (labels[at], predicted[at]), 1)
        rows = tuple(tuple(int(entry) for entry in row) for row in confusion)
        loss = float(losses[at].mean()) if len(at) else float("nan")
        results.append(Counted(Evaluation(cell=cell, confusion=rows), loss))
    return tuple(results)
