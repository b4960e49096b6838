"""Weighted means of weights: θ = Σ cᵢ·θᵢ / Σ cᵢ, element by element, over memory-mapped files.

The order of the sum is the ascending order of the files' digests, the accumulator is float64 and is rounded once, so
neither the order of arrival nor the machine can change a bit, and anybody can recompute it. Memory: a few blocks, for
any number of files of any size. Buffers (BatchNorm statistics, counters) are copied: all files must agree on them.
Uniform coefficients are counts, never 1/3. Source: METHOD.md 3.4, 3.7 and 4; the paper's step 5.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.architecture import Tensor
from ratatouille.weights.canonical import Array, encode, header, in_order, open_part

BLOCK = 64 * 1024
"""Elements per block: the float64 accumulator and the float32 input stay in the second-level cache."""


@dataclass(frozen=True)
class Term:
    """One file of the sum, with its coefficient: a count (≥ 0), or any finite float for mixes and extrapolations."""

    digest: str
    path: Path
    coefficient: int | float = 1


def combine_files(terms: Sequence[Term], tensors: Sequence[Tensor], output: BinaryIO) -> str:
    """Write the weighted mean of canonical files to `output` and return its digest.

    Raises:
        Refusal: no terms, coefficients that sum to zero, a file of another architecture, or buffers that differ.
    """
    ordered, divisor = _prepare(terms)
    same = sole(terms)
    if same is not None:
        ordered, divisor = [Term(same.digest, same.path)], 1
    opened = [open_part(term.path, tensors) for term in ordered]
    coefficients = [term.coefficient for term in ordered]
    sha = hashlib.sha256()

    def write(data: bytes | memoryview) -> None:
        sha.update(data)
        output.write(data)

    write(header(tensors))
    for tensor in in_order(tensors):
        arrays = [part[tensor.name].reshape(-1) for part in opened]
        if tensor.buffer:
            write(_agreed(tensor.name, arrays).tobytes())
            continue
        for start in range(0, tensor.elements, BLOCK):
            blocks = [array[start : start + BLOCK] for array in arrays]
            write(_mean_block(blocks, coefficients, divisor).data)
    return sha.hexdigest()


def sole(terms: Sequence[Term]) -> Term | None:
    """The one file that the mean is, when no other has a part in it: c·θ + d·θ over c + d is θ, to the bit.

    Raises:
        Refusal: no terms, or coefficients that sum to zero.
    """
    ordered, _ = _prepare(terms)
    return ordered[0] if len({term.digest for term in ordered}) == 1 else None


def combine(
    parts: Sequence[Mapping[str, Array]], coefficients: Sequence[float], buffers: frozenset[str]
) -> dict[str, Array]:
    """The same mean of parts in memory: equal bits, since terms are put in the order of their digests.

    Raises:
        Refusal: as `combine_files`, and for parts with unequal names or shapes.
    """
    digests = [hashlib.sha256(encode(part)).hexdigest() for part in parts]
    order = [i for i in sorted(range(len(parts)), key=lambda i: digests[i]) if coefficients[i] != 0]
    divisor = _divisor([coefficients[i] for i in range(len(parts))])
    result: dict[str, Array] = {}
    for name in sorted(set().union(*parts)):
        missing = [i for i in range(len(parts)) if name not in parts[i] or parts[i][name].shape != parts[0][name].shape]
        if missing:
            raise Refusal(f"tensor {name} differs in name or shape between the weights to combine")
        arrays: list[Array] = [np.ascontiguousarray(parts[i][name]).reshape(-1) for i in order]
        if name in buffers or parts[0][name].dtype != np.float32:
            flat = _agreed(name, arrays)
        else:
            flat = _mean_block(arrays, [coefficients[i] for i in order], divisor)
        result[name] = flat.reshape(parts[0][name].shape)
    return result


def interpolate(
    start: Mapping[str, Array], end: Mapping[str, Array], at: float, buffers: frozenset[str]
) -> dict[str, Array]:
    """(1 − λ)·start + λ·end, λ = `at`; 0 and 1 return the ends bit for bit (METHOD.md 4, LMC)."""
    return combine([start, end], [1 - at, at], buffers)


def _prepare(terms: Sequence[Term]) -> tuple[list[Term], float]:
    divisor = _divisor([term.coefficient for term in terms])
    # a zero coefficient must leave no trace: 0·x turns −0.0 into 0.0
    return sorted((term for term in terms if term.coefficient != 0), key=lambda term: term.digest), divisor


def _divisor(coefficients: Sequence[float]) -> float:
    divisor = math.fsum(coefficients)
    if not coefficients or divisor == 0 or not math.isfinite(divisor):
        raise Refusal("nothing to combine: the coefficients sum to nothing")
    return divisor


def _mean_block(blocks: Sequence[Array], coefficients: Sequence[float], divisor: float) -> Array:
    total = blocks[0].astype(np.float64)
    if coefficients[0] != 1:
        total *= coefficients[0]
    for block, coefficient in zip(blocks[1:], coefficients[1:], strict=True):
        if coefficient == 1:
            total += block
        else:
            total += np.multiply(block, coefficient, dtype=np.float64)
    if divisor != 1:
        total /= divisor
    return total.astype(np.float32)


def _agreed(name: str, arrays: Sequence[Array]) -> Array:
    first = arrays[0].tobytes()
    if any(array.tobytes() != first for array in arrays[1:]):
        raise Refusal(f"buffer {name} differs between the weights to combine; BatchNorm statistics are never averaged")
    return arrays[0]
