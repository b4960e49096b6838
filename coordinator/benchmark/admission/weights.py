"""Weights of one network as one flat vector, its buffers beside it, for attacks and aggregators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ratatouille.weights.architecture import PARTS, Architecture, Part, Tensor
from ratatouille.weights.canonical import Array, in_order, open_part

Vector = NDArray[np.float32]
Files = Mapping[Part, Path]
"""The canonical files of a network's parts."""


@dataclass(frozen=True)
class FlatWeights:
    """θ of one network: float32 [d], the featurizer's weights first; buffers by name, which no average changes."""

    values: Vector
    buffers: Mapping[str, Array]

    def moved(self, values: NDArray[np.floating]) -> FlatWeights:
        """The same network with other weights."""
        return replace(self, values=values.astype(np.float32))


@dataclass(frozen=True)
class Layout:
    """Where each tensor of an architecture with a head of so many classes lies in the vector."""

    architecture: Architecture
    classes: int

    def tensors(self, part: Part) -> list[Tensor]:
        """A part's tensors in the order of its file."""
        return in_order(self.architecture.part(part, self.classes))

    def _trained(self, part: Part) -> list[Tensor]:
        return [tensor for tensor in self.tensors(part) if not tensor.buffer and tensor.dtype == "F32"]

    @property
    def head(self) -> slice:
        """Where the head is: its bias [classes], then its rows [classes, width]."""
        return slice(-sum(math.prod(tensor.shape) for tensor in self._trained("head")), None)

    def read(self, files: Files) -> FlatWeights:
        """The weights in these files."""
        arrays = {part: open_part(files[part], self.tensors(part)) for part in PARTS}
        trained = [np.ravel(arrays[part][tensor.name]) for part in PARTS for tensor in self._trained(part)]
        kept = {tensor.name for tensor in self._trained("featurizer")}
        buffers = {name: np.array(array) for name, array in arrays["featurizer"].items() if name not in kept}
        return FlatWeights(np.concatenate(trained).astype(np.float32), buffers)

    def parts(self, weights: FlatWeights) -> dict[Part, dict[str, Array]]:
        """The arrays of both parts."""
        result: dict[Part, dict[str, Array]] = {"featurizer": dict(weights.buffers), "head": {}}
        place = 0
        for part in PARTS:
            for tensor in self._trained(part):
                size = math.prod(tensor.shape)
                result[part][tensor.name] = weights.values[place : place + size].reshape(tensor.shape)
                place += size
        return result
