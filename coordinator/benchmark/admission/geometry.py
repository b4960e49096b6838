"""Inner products of many contributions at once, as an inspection of the registry has them.

The registry's own inspection adds in one order on every machine, which takes seconds for a round and half an hour for
hundreds of attacked contributions. Here a library of linear algebra does it; a test holds that both agree. Weights of
one digest share a row, so that equal weights are exactly 0 apart, as in the registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from coordinator.benchmark.admission.contributions import Files, SubmittedRun
from ratatouille.exchange.inspection import Gram, Inspected, triangle
from ratatouille.weights.architecture import Part
from ratatouille.weights.canonical import open_part

BLOCK = 64 * 1024
"""Elements of each vector that are multiplied at once."""


def inspected(files: Files, contributions: Sequence[SubmittedRun]) -> Inspected:
    """The answer to an inspection of these contributions and their starts."""
    there = [one for one in contributions if not one.refused]
    foundation = files.registry.versions.show("foundation").entry.version.featurizer
    featurizers = {one.version: one.featurizer for one in there}
    featurizers |= {one.parents[0]: one.assignment.featurizer for one in there}
    heads = {one.version: one.head for one in there}
    starts = {one.parents[-1]: one.assignment.head for one in there}
    first = starts[min(starts)]
    return Inspected(
        featurizer=_gram(files, "featurizer", featurizers, foundation),
        head=_gram(files, "head", heads | starts, first),
    )


def _gram(files: Files, part: Part, digests: Mapping[str, str], origin: str) -> Gram:
    tensors = files.layout.tensors(part)
    trained = [tensor.name for tensor in tensors if not tensor.buffer and tensor.dtype == "F32"]
    unique = sorted(set(digests.values()))
    opened = {one: open_part(files.registry.weights.fetch(one), tensors) for one in {origin, *unique}}
    total = np.zeros((len(unique), len(unique)))
    elements = 0
    for name in trained:
        flat = {digest: np.ravel(arrays[name]) for digest, arrays in opened.items()}
        elements += len(flat[origin])
        for begin in range(0, len(flat[origin]), BLOCK):
            base = flat[origin][begin : begin + BLOCK].astype(np.float64)
            moved = np.stack([flat[one][begin : begin + BLOCK] - base for one in unique])
            total += moved @ moved.T
    place = {digest: number for number, digest in enumerate(unique)}
    ids = sorted(digests)
    rows = [place[digests[id]] for id in ids]
    whole = total[np.ix_(rows, rows)]
    return Gram(ids=tuple(ids), elements=elements, products=triangle(((whole + whole.T) / 2).tolist()))
