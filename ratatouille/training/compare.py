"""Counting how several networks classify the same images (docs/method.md §3.5 and §4): mixtures, ensembles, pairs.

A network is given as digests and coefficients; mixtures are made here by the registry's own arithmetic, so a mixture
has the bits that a combined version would have, and one of a single term is that version. One network is in memory at a
time. Which images it recognises is kept until the end, and its features if they are compared; of logits only their sum,
if the ensemble is counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ratatouille.exchange.assignment import Compare, Weighted
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair
from ratatouille.tasks.data import LocalData
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import Count, Indices, forward
from ratatouille.training.network import Network, refuse_not_finite
from ratatouille.weights.architecture import PARTS, Architecture, Part
from ratatouille.weights.canonical import open_part
from ratatouille.weights.combine import Term, combine_files, sole

Floats = NDArray[np.float32]
Report = Callable[[int, int], None]
"""Called with networks done and networks in all."""


def compare(
    assignment: Compare,
    architecture: Architecture,
    network: Network,
    data: LocalData,
    start: Mapping[str, Path],
    transform: Transform,
    report: Report,
) -> Comparison:
    """Count.

    Args:
        assignment: the question.
        architecture: of all networks.
        network: one with these shapes, on its device; its weights are overwritten.
        data: the holding that the question is bound to.
        start: files of all parts, by digest.
        transform: from pixels to inputs.
        report: called after each network.

    Raises:
        Refusal: parts that cannot be mixed, or are not finite.
    """
    count = Count(assignment.cells, data, assignment.trial)
    pixels = data.images(assignment.image_size)
    classes, size = len(data.task.classes), len(assignment.networks)
    counted: list[tuple[Evaluation, ...]] = []
    total = np.zeros((len(count) if assignment.ensemble else 0, classes))
    right: list[NDArray[np.bool_]] = []
    features: list[Floats] = []
    parts: list[Floats] = []

    def predict(wanted: Indices) -> Floats:
        outputs = forward(lambda images: _both(network, images), pixels, wanted, transform)
        logits = outputs[:, -classes:]
        if assignment.ensemble:
            total[count.at(wanted)] += logits
        if assignment.features:
            parts.append(outputs[:, :-classes].copy())
        return logits

    network.eval()
    for done, mixture in enumerate(assignment.networks):
        for part in PARTS:
            _load(
                network,
                part,
                mixture.featurizer if part == "featurizer" else mixture.head,
                architecture,
                classes,
                start,
            )
        predicted, losses = count.looked(predict)
        counted.append(tuple(each.evaluation for each in count.filled(predicted, losses)))
        if len(count):
            right.append(predicted == count.labels)
        if parts:
            features.append(np.concatenate(parts))
            parts.clear()
        report(done + 1, size)
    ensemble: tuple[Evaluation, ...] = ()
    if assignment.ensemble:
        counts = count.of(lambda wanted: (total[count.at(wanted)] / size).astype(np.float32))
        ensemble = tuple(each.evaluation for each in counts)
    pairs = _pairs(count, right, features) if assignment.pairs and len(count) else ()
    return Comparison(networks=tuple(counted), ensemble=ensemble, pairs=pairs)


def linear_cka(first: Floats, second: Floats) -> float | None:
    """Linear CKA of two sets of features [n, d] of the same images: ‖YᵀX‖² / (‖XᵀX‖ · ‖YᵀY‖), columns centred.

    None where features of one network are all alike, or there are fewer than two images.
    """
    if len(first) < 2:
        return None
    x, y = (part.astype(np.float64) - part.mean(0, dtype=np.float64) for part in (first, second))
    if len(x) < x.shape[1]:  # the same numbers from n × n matrices
        a, b = x @ x.T, y @ y.T
        cross, own, other = float((a * b).sum()), float(np.linalg.norm(a)), float(np.linalg.norm(b))
    else:
        cross = float(np.linalg.norm(y.T @ x) ** 2)
        own, other = float(np.linalg.norm(x.T @ x)), float(np.linalg.norm(y.T @ y))
    if not own * other > 0:
        return None
    return min(1.0, max(0.0, cross / (own * other)))


def _both(network: Network, images: Tensor) -> Tensor:
    """Features and logits side by side, [B, d + classes]."""
    features = network.featurizer(images)
    return torch.cat([features, network.head(network.dropout(features))], 1)


def _load(
    network: Network,
    part: Part,
    terms: Sequence[Weighted],
    architecture: Architecture,
    classes: int,
    start: Mapping[str, Path],
) -> None:
    tensors = architecture.part(part, classes)
    only = sole([(term.part, term.coefficient) for term in terms])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / part if only is None else start[only]
        if only is None:
            files = [Term(term.part, start[term.part], term.coefficient) for term in terms]
            with path.open("wb") as mixed:
                combine_files(files, tensors, mixed)
        arrays = open_part(path, tensors)
        refuse_not_finite(arrays, f"the {part} to compare")
        network.load(part, arrays)


def _pairs(count: Count, right: Sequence[NDArray[np.bool_]], features: Sequence[Floats]) -> tuple[Pair, ...]:
    pairs = []
    for cell, at in zip(count.cells, count.places(), strict=True):
        here = [one[at] for one in right]
        for first, second in combinations(range(len(right)), 2):
            cka = linear_cka(features[first][at], features[second][at]) if features else None
            pairs.append(Pair.of(cell, first, second, here, cka))
    return tuple(pairs)
