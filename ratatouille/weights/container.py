"""A safetensors file from anywhere, as a box of named tensors that are read one at a time; numpy only.

What the tensors are, and whether they fit, is for `whole`. Pickles are never opened.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import LARGEST_HEADER, NUMPY, Array

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")


class Container(Mapping[str, Array]):
    """The tensors of a safetensors file, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            Refusal: when it is a pickle, or no safetensors file.
        """
        self.path = path
        if path.suffix.lower() in PICKLES:
            raise pickled(path)
        if not path.is_file():
            raise Refusal(f"there is no file '{path}'; give a safetensors file, or the folder of a model")
        try:
            self._places = dict(_places(path))
        except (OSError, ValueError, RecursionError) as error:
            raise Refusal(
                f"'{path}' cannot be read as a safetensors file: {error}; save the weights with safetensors"
            ) from error
        self.kinds = {name: (place.dtype, place.shape) for name, place in self._places.items()}
        """Type and shape of each tensor."""

    @property
    def what(self) -> str:
        """The file, for messages."""
        return f"'{self.path.name}'"

    def without(self, prefix: str) -> Container:
        """The same tensors, `prefix` taken off the names that begin with it.

        Raises:
            Refusal: when two tensors would get the same name.
        """
        places: dict[str, _Place] = {}
        for name, place in self._places.items():
            short = name.removeprefix(prefix)
            if short in places:
                raise Refusal(
                    f"{self.what} holds {short[:80]!r} with and without {prefix!r} before it; keep one of them"
                )
            places[short] = place
        renamed = copy(self)
        renamed._places = places
        renamed.kinds = {name: (place.dtype, place.shape) for name, place in places.items()}
        return renamed

    def __getitem__(self, name: str) -> Array:
        place = self._places[name]
        with self.path.open("rb") as file:  # read, not mapped: memory is that of one tensor
            file.seek(place.offset)
            data = file.read(place.length)
        return np.frombuffer(data, NUMPY[place.dtype]).reshape(place.shape)

    def __contains__(self, name: object) -> bool:
        return name in self.kinds  # without reading the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)


def pickled(path: Path) -> Refusal:
    """The sentence for files that run code when they are opened."""
    return Refusal(
        f"'{path}' is a pickle, which can run anything when it is opened, so it is not; save the weights where they "
        "were made with safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    )


@dataclass(frozen=True)
class _Place:
    """Where a tensor is in its file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def _places(path: Path) -> Iterator[tuple[str, _Place]]:
    """The tensors that a file's header lists; raises ValueError for what is no safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= LARGEST_HEADER:
            raise ValueError("it has no header")
        entries = json.loads(file.read(length))
        behind = os.fstat(file.fileno()).st_size - 8 - length
    if not isinstance(entries, dict):
        raise ValueError("its header is no object")
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        match entry:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(first), int(last)]} if (
                all(isinstance(one, int) and one >= 0 for one in shape) and 0 <= first <= last <= behind
            ):
                place = _Place(dtype, tuple(shape), 8 + length + first, last - first)
            case _:
                raise ValueError(f"its header does not say where tensor {name[:80]!r} is")
        if dtype in NUMPY and math.prod(shape) * NUMPY[dtype].itemsize != place.length:
            raise ValueError(f"its header gives tensor {name[:80]!r} another length than its shape has")
        yield name, place
