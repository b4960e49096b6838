"""Distances between two files of the same tensors, tensor by tensor, in constant memory.

Both are read once, block by block, in float64; blocks come in one order, so the same files give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import NUMPY, Array, Contents, behind_header, in_order

BLOCK = 64 * 1024
"""Elements that are looked at together: few enough for the processor's cache."""


@dataclass(frozen=True)
class Distance:
    """What one tensor, or several together, differ by: from the first file's values to the second's."""

    squares: float
    """‖second − first‖²."""
    norm: float
    """‖first‖²."""
    largest: float
    """The largest change of one element."""
    changed: int
    """Elements with another value."""
    elements: int

    @property
    def relative(self) -> float | None:
        """‖second − first‖ / ‖first‖; None where everything was zero and is no more."""
        if self.squares == 0:
            return 0.0
        return math.sqrt(self.squares / self.norm) if self.norm else None


def distances(
    first: Path | Contents, second: Path | Contents, tensors: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Distance]]:
    """The distance of each tensor, in the order of the files.

    Raises:
        Refusal: when a file does not hold these tensors.
    """
    one, two = behind_header(first, tensors, "the first file"), behind_header(second, tensors, "the second file")
    for tensor in in_order(tensors):
        dtype = NUMPY[tensor.dtype]
        most = min(BLOCK, one.window // dtype.itemsize, two.window // dtype.itemsize)
        lengths = [min(most, tensor.elements - at) * dtype.itemsize for at in range(0, tensor.elements, most)]
        yield tensor, together(distance(one.take(n).view(dtype), two.take(n).view(dtype)) for n in lengths)


def together(parts: Iterable[Distance]) -> Distance:
    """Several distances as one."""
    parts = list(parts)
    return Distance(
        math.fsum(part.squares for part in parts),
        math.fsum(part.norm for part in parts),
        max((part.largest for part in parts), default=0.0),
        sum(part.changed for part in parts),
        sum(part.elements for part in parts),
    )


def distance(first: Array, second: Array) -> Distance:
    """The distance of two flat arrays of one length, few enough to be copied."""
    start, change = first.astype(np.float64), second.astype(np.float64)
    change -= start
    return Distance(
        float(np.square(change).sum()),
        float(np.square(start).sum()),
        float(np.abs(change).max(initial=0.0)),
        int(np.count_nonzero(change)),
        len(change),
    )
