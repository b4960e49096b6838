"""Weights combined element by element, over files that are mapped or read once: θ = Σ cᵢ·θᵢ / Σ cᵢ, or another method.

Members are taken in the ascending order of their files' digests, sums are float64 and rounded once (`methods`), so
neither the order of arrival nor the machine can change a bit, and every reader can recompute it. Memory: a few pieces,
for any number of files of any size. Buffers (BatchNorm statistics, counters) are copied: all files must agree on them.
Uniform coefficients are counts, never 1/3. Source: docs/method.md §3.4, §3.7, §3.8 and §4.1.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import NUMPY, Array, Contents, behind_header, encode, header, in_order
from ratatouille.weights.methods import BLOCK, MEAN, NO_PARAMETERS, Parameters, method_named, weighted_mean

PIECE = 16 * BLOCK
"""Bytes of the result that one thread computes before they are hashed and written."""
Piece = tuple[int, str | None]
"""The length of the next bytes, and the name of the buffer that they are, if they are one."""
THREADS = min(4, os.cpu_count() or 1)
"""They share the pieces, never the sum of one element, so their number cannot change a bit."""


@dataclass(frozen=True)
class Term:
    """One file of the sum, with its coefficient: a count (≥ 0), or any finite float for mixes and extrapolations."""

    digest: str
    source: Path | Contents
    coefficient: int | float = 1


def combine_files(
    terms: Sequence[Term],
    tensors: Sequence[Tensor],
    output: BinaryIO,
    method: str = MEAN,
    parameters: Parameters = NO_PARAMETERS,
) -> str:
    """Write what a method makes of canonical files to `output` and return its digest.

    Raises:
        Refusal: no terms, coefficients that sum to zero, a file of another architecture, buffers that differ, or a
            method that is not known.
    """
    reduce, ordered = method_named(method).reduce, _prepare(terms)
    opened = {term.digest: behind_header(term.source, tensors, f"{term.digest[:12]}…") for term in ordered}
    length = min(PIECE, *(one.window for one in opened.values()))

    def taken() -> Iterator[tuple[str | None, list[Array]]]:
        for nbytes, buffer in pieces(tensors, length):
            views = {digest: one.take(nbytes) for digest, one in opened.items()}
            yield buffer, [views[term.digest] for term in ordered]

    def compute(buffer: str | None, views: Sequence[Array]) -> Array:
        if buffer is not None:
            return _agreed(buffer, views)
        floats = [view.view(NUMPY["F32"]) for view in views]
        return reduce(floats, [term.coefficient for term in ordered], parameters).view(np.uint8)

    sha = hashlib.sha256()
    with ThreadPoolExecutor(1) as hasher:
        for done in chain([np.frombuffer(header(tensors), np.uint8)], in_turn(compute, taken())):
            hashed = hasher.submit(sha.update, done.data)
            output.write(done.data)
            hashed.result()
    return sha.hexdigest()


def sole(shares: Sequence[tuple[str, int | float]]) -> str | None:
    """The digest that the result has, when no other has a part in it: c·θ + d·θ over c + d is θ, to the bit.

    Args:
        shares: digests with their coefficients.

    Raises:
        Refusal: no shares, or coefficients that sum to zero.
    """
    _refuse_nothing([coefficient for _, coefficient in shares])
    digests = {digest for digest, coefficient in shares if coefficient != 0}
    return digests.pop() if len(digests) == 1 else None


def combine(
    parts: Sequence[Mapping[str, Array]], coefficients: Sequence[float], buffers: frozenset[str]
) -> dict[str, Array]:
    """The mean of parts in memory: equal bits, since terms are put in the order of their digests.

    Raises:
        Refusal: as `combine_files`, and for parts with unequal names or shapes.
    """
    digests = [hashlib.sha256(encode(part)).hexdigest() for part in parts]
    _refuse_nothing(coefficients)
    order = sorted((i for i in range(len(parts)) if coefficients[i] != 0), key=lambda i: (digests[i], coefficients[i]))
    if len({digests[i] for i in order}) == 1:  # as `sole`
        order, coefficients = order[:1], [1.0] * len(parts)
    result: dict[str, Array] = {}
    for name in sorted(set().union(*parts)):
        if any(name not in part for part in parts) or len({part[name].shape for part in parts}) > 1:
            raise Refusal(f"tensor {name} differs in name or shape between the weights to combine")
        arrays: list[Array] = [np.ascontiguousarray(parts[i][name]).reshape(-1) for i in order]
        if name in buffers or parts[0][name].dtype != np.float32:
            flat = _agreed(name, arrays)
        else:
            flat = weighted_mean(arrays, [coefficients[i] for i in order])
        result[name] = flat.reshape(parts[0][name].shape)
    return result


def interpolate(
    start: Mapping[str, Array], end: Mapping[str, Array], at: float, buffers: frozenset[str]
) -> dict[str, Array]:
    """(1 − λ)·start + λ·end, λ = `at`; 0 and 1 return the ends bit for bit (docs/method.md §4.1)."""
    return combine([start, end], [1 - at, at], buffers)


def pieces(tensors: Sequence[Tensor], length: int) -> Iterator[Piece]:
    """All pieces in order: a buffer is one; weights that lie side by side are cut as if they were one tensor."""
    for fixed, group in groupby(in_order(tensors), key=lambda tensor: tensor.buffer or tensor.dtype != "F32"):
        if fixed:
            yield from ((tensor.nbytes, tensor.name) for tensor in group)
        else:
            left = sum(tensor.nbytes for tensor in group)
            while left:
                yield min(length, left), None
                left -= min(length, left)


def in_turn(
    compute: Callable[[str | None, Sequence[Array]], Array], taken: Iterable[tuple[str | None, Sequence[Array]]]
) -> Iterator[Array]:
    """The results in the order of the pieces, computed a few ahead by threads: numpy works without Python's lock."""
    with ThreadPoolExecutor(THREADS) as pool:
        ahead: deque[Future[Array]] = deque()
        for buffer, views in taken:
            ahead.append(pool.submit(compute, buffer, views))
            if len(ahead) > THREADS + 1:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _prepare(terms: Sequence[Term]) -> list[Term]:
    _refuse_nothing([term.coefficient for term in terms])
    # a zero coefficient must leave no trace: 0·x turns −0.0 into 0.0
    kept = sorted((term for term in terms if term.coefficient != 0), key=lambda term: (term.digest, term.coefficient))
    if kept[0].digest == kept[-1].digest:
        return [Term(kept[0].digest, kept[0].source)]
    return kept


def _refuse_nothing(coefficients: Sequence[float]) -> None:
    total = math.fsum(coefficients)
    if not coefficients or total == 0 or not math.isfinite(total):
        raise Refusal("nothing to combine: the coefficients sum to nothing")


def _agreed(name: str, arrays: Sequence[Array]) -> Array:
    first = arrays[0].tobytes()
    if any(array.tobytes() != first for array in arrays[1:]):
        raise Refusal(f"buffer {name} differs between the weights to combine; BatchNorm statistics are never averaged")
    return arrays[0]
