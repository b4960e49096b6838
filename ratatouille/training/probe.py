"""The linear probe: the best head on a frozen featurizer, as one convex problem (docs/method.md §3.1).

Minimises  mean loss + l2 / 2 · (‖W‖² + ‖b‖²)  over heads W·(x − μ) + b; x are the features of unaugmented training
images, μ their mean. Every domain has the same share in the mean loss, as in the batches of fine-tuning. The bias is
regularised too, at the mean feature: so the optimum is unique and finite even if a class has no example here, and the
heads of several holders can be averaged. L-BFGS from zero in float64; nothing is drawn at random.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS
from ratatouille.folders import write_whole
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.images import READER
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import forward
from ratatouille.weights.canonical import Array

HISTORY = 20
"""Pairs of steps and gradients that L-BFGS remembers."""


class Features:
    """Features of one featurizer on one holding, each computed once; kept in a folder if copies of images are."""

    def __init__(
        self,
        featurizer: Callable[[Tensor], Tensor],
        data: LocalData,
        size: int,
        transform: Transform,
        folder: Path,
        key: tuple[str, ...],
    ) -> None:
        """`key` names the featurizer and what computes it: whatever outputs depend on besides the pixels."""
        self._featurizer, self._data, self._size, self._transform = featurizer, data, size, transform
        self._folder = folder
        self._key = [*key, METHOD_REVISION, NUMERICS, READER, data.holding.fingerprint, size]

    def of_domain(self, domain: str, progress: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        """Features [n, d] of all n examples of a domain, in ascending order of their indices."""
        name = f"{self._data.holding.fingerprint[:32]}-{sha256(canonical_json([*self._key, domain]))[:32]}.npy"
        path = self._folder / name
        chosen = self._data.examples(domain)
        try:
            stored: NDArray[np.float32] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            pass
        else:
            if len(stored) == len(chosen) and stored.dtype == np.float32:
                with suppress(OSError):
                    os.utime(path)  # says that it is in use still
                return stored
        features = forward(self._featurizer, self._data.images(self._size), chosen, self._transform, progress)
        if self._data.image_cache:
            buffer = io.BytesIO()
            np.save(buffer, features, allow_pickle=False)
            write_whole(path, [buffer.getvalue()], private=True)
        return features


def fit(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    shares: NDArray[np.float64],
    classes: int,
    l2: float,
    iterations: int,
) -> tuple[dict[str, Array], float]:
    """The optimal head.

    Args:
        features: [N, d].
        labels: [N], each below `classes`; classes may be absent.
        shares: [N], the weight of each example; they are scaled to add to one.
        classes: rows of the head.
        l2: strength of the regularisation, > 0.
        iterations: most iterations of L-BFGS.

    Returns:
        `weight` [classes, d] and `bias` [classes] in float32, and the largest gradient entry that is left.
    """
    x = torch.from_numpy(features).double()
    mean = x.mean(0)
    x -= mean
    y = torch.from_numpy(labels)
    share = torch.from_numpy(shares / shares.sum())
    weight = torch.zeros(classes, x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=1e-8,
        tolerance_change=0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        solver.zero_grad()
        losses = functional.cross_entropy(x @ weight.T + bias, y, reduction="none")
        value: Tensor = losses @ share + l2 / 2 * (weight.square().sum() + bias.square().sum())
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(objective)  # type: ignore[no-untyped-call]
    objective()
    assert weight.grad is not None
    assert bias.grad is not None
    left = max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))
    with torch.no_grad():
        head: dict[str, Array] = {
            "bias": (bias - weight @ mean).float().numpy(),
            "weight": weight.float().numpy(),
        }
    return head, left


def shares(data: LocalData, training: list[NDArray[np.int64]], class_weights: Tensor | None) -> NDArray[np.float64]:
    """Weights of the concatenated training examples: domains alike, classes as the task says."""
    weights = np.concatenate([np.full(len(chosen), 1 / len(chosen)) for chosen in training])
    if class_weights is not None:
        weights *= class_weights.numpy().astype(np.float64)[data.labels[np.concatenate(training)]]
    return weights
