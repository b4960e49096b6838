"""The bytes of one canonical file, wherever they lie, taken once from the beginning to the end.

A file on this machine is memory-mapped; for files elsewhere the registry has a reader of its own.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, complain, header, size

LARGEST = 2**31
"""More than anybody would take at once."""


class Contents(Protocol):
    """A file's bytes in order."""

    size: int
    window: int
    """The most that should be taken at once."""

    def take(self, length: int) -> Array:
        """The next bytes; they stay what they are while they are in use."""


class Mapped:
    """The contents of a memory-mapped file; what is taken is a view."""

    window = LARGEST

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        self._bytes = np.frombuffer(mapped, np.uint8)
        self._taken = 0

    def take(self, length: int) -> Array:
        """The next bytes."""
        self._taken += length
        return self._bytes[self._taken - length : self._taken]


def behind_header(source: Path | Contents, tensors: Sequence[Tensor], name: str) -> Contents:
    """The contents of the canonical file of these tensors, from its first tensor on.

    Raises:
        Refusal: when the header is another one, or the length differs.
    """
    contents = Mapped(source) if isinstance(source, Path) else source
    beginning = header(tensors)
    if contents.size >= len(beginning):
        complain(contents.take(len(beginning)).tobytes(), tensors, name)
    if contents.size != size(tensors):
        raise Refusal(f"{name} has {contents.size} bytes; its header promises {size(tensors)}")
    return contents
