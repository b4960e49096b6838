"""Inner products of how far weights moved, over files that are mapped or read once: ⟨θᵢ − θ₀, θⱼ − θ₀⟩.

Everything is float64. Each product of two vectors is added up in one order that depends on nothing but their length:
neither the order of the files nor their number, neither the machine nor where the files lie can change a bit. Memory: a
block of each vector, for files of any size. Buffers (BatchNorm statistics, counters) are left out: they do not move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import NUMPY, Array, Contents, behind_header
from ratatouille.weights.combine import in_turn, pieces

PIECE = 64 * 1024
"""Bytes of each file that one thread takes: no larger than the smallest window, so that storage changes no bit."""
BLOCK = 4096
"""Elements of each vector that are multiplied at once; a power of two, since sums are made by halving."""
ROWS = 32
"""Products of a vector with others that are made at once."""


def trained(tensors: Sequence[Tensor]) -> int:
    """How many elements of a part are trained."""
    return sum(tensor.elements for tensor in tensors if not tensor.buffer and tensor.dtype == "F32")


def products(
    files: Mapping[str, Path | Contents],
    origin: str,
    vectors: Sequence[str],
    tensors: Sequence[Tensor],
    proceed: Callable[[], object] = lambda: None,
) -> Array:
    """The square matrix of ⟨θᵢ − θ_origin, θⱼ − θ_origin⟩, float64.

    Args:
        files: canonical files of the same tensors, by digest; each is read once.
        origin: the digest of the file that the others are compared with.
        vectors: digests of the files in the order of the rows; one may come several times.
        tensors: what each file holds.
        proceed: called now and then; it raises to stop the work.

    Raises:
        Refusal: for a file of another architecture.
    """
    unique = sorted(set(vectors))
    opened = {one: behind_header(files[one], tensors, f"{one[:12]}…") for one in dict.fromkeys((origin, *unique))}

    def taken() -> Iterator[tuple[str | None, list[Array]]]:
        for nbytes, buffer in pieces(tensors, PIECE):
            proceed()
            views = {digest: one.take(nbytes) for digest, one in opened.items()}
            if buffer is None:
                yield None, [views[one].view(NUMPY["F32"]) for one in (origin, *unique)]

    total = np.zeros((len(unique), len(unique)))
    for partial in in_turn(lambda _, views: _piece(views), taken()):
        total += partial
    total += np.tril(total, -1).T
    places = [unique.index(one) for one in vectors]
    return total[np.ix_(places, places)]


def _piece(views: Sequence[Array]) -> Array:
    """The lower triangle of the sums over one piece; the first of the views is the origin."""
    origin, *vectors = views
    sums, moved = np.zeros((len(vectors), len(vectors))), np.empty((len(vectors), BLOCK))
    for start in range(0, len(origin), BLOCK):
        base = origin[start : start + BLOCK].astype(np.float64)
        moved[:, len(base) :] = 0
        for row, vector in zip(moved, vectors, strict=True):
            row[: len(base)] = vector[start : start + BLOCK]
            row[: len(base)] -= base
        for i in range(len(vectors)):
            for first in range(0, i + 1, ROWS):
                last = min(first + ROWS, i + 1)
                sums[i, first:last] += _halved(moved[first:last] * moved[i])
    return sums


def _halved(rows: Array) -> Array:
    """The sum of each row, by adding its second half to its first: the same additions on every machine."""
    width = BLOCK
    while width > 1:
        width //= 2
        rows[:, :width] += rows[:, width : 2 * width]
    return rows[:, 0]
