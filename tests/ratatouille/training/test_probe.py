"""The linear probe is the optimum of a convex problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ratatouille.training import probe
from ratatouille.training.augment import Transform
from tests.ratatouille.training.setup import TrainingSetup

L2 = 1e-2


@pytest.fixture(scope="module")
def problem() -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    random = np.random.default_rng(0)
    features = (random.normal(size=(60, 8)) * 3 + 10).astype(np.float32)
    return features, random.integers(0, 3, 60), random.uniform(0.5, 2, 60)


def gradient(head: dict[str, NDArray[np.float32]], x, y, shares) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """Of the objective in probe's docstring, in W and in b at the mean feature."""
    centred = x.astype(np.float64) - x.astype(np.float64).mean(0)
    weight = head["weight"].astype(np.float64)
    bias = head["bias"] + weight @ x.astype(np.float64).mean(0)
    logits = centred @ weight.T + bias
    softmax = np.exp(logits - logits.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    error = (softmax - np.eye(len(weight))[y]) * (shares / shares.sum())[:, None]
    return np.concatenate([(error.T @ centred + L2 * weight).ravel(), error.sum(0) + L2 * bias])


def test_at_the_optimum_the_gradient_is_zero(problem) -> None:  # type: ignore[no-untyped-def]
    x, y, shares = problem
    head, left = probe.fit(x, y, shares, 3, L2, 300)
    assert left < 1e-7
    assert np.abs(gradient(head, x, y, shares)).max() < 1e-5  # the head is rounded to float32


def test_an_absent_class_gets_a_finite_and_unlikely_row(problem) -> None:  # type: ignore[no-untyped-def]
    x, y, shares = problem
    head, left = probe.fit(x, y, shares, 4, L2, 300)
    assert left < 1e-7
    assert head["weight"].shape == (4, 8)
    assert np.abs(gradient(head, x, y, shares)).max() < 1e-5
    assert ((x @ head["weight"].T + head["bias"]).argmax(1) < 3).all()
    assert np.abs(head["weight"]).max() < 100


def test_equal_problems_have_equal_bits(problem) -> None:  # type: ignore[no-untyped-def]
    x, y, shares = problem
    first, second = (probe.fit(x, y, shares, 3, L2, 40)[0] for _ in range(2))
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_scaling_all_shares_changes_nothing(problem) -> None:  # type: ignore[no-untyped-def]
    x, y, shares = problem
    first, second = (probe.fit(x, y, scaled, 3, L2, 300)[0] for scaled in (shares, shares * 64))
    np.testing.assert_allclose(first["weight"], second["weight"], atol=1e-6)


def test_domains_count_alike_whatever_their_size(setup: TrainingSetup) -> None:
    shares = probe.shares(setup.data, [np.arange(10), np.arange(10, 15)], None)
    assert abs(shares[:10].sum() - shares[10:].sum()) < 1e-12
    weights = probe.shares(setup.data, [np.arange(10)], torch.tensor([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(weights, np.array([0.1, 0.2, 0.3])[setup.data.labels[:10]])


def test_features_are_computed_once_and_then_read(setup: TrainingSetup, tmp_path: Path) -> None:
    transform = Transform(setup.architecture, torch.device("cpu"))
    batches = []

    def featurizer(images: torch.Tensor) -> torch.Tensor:
        batches.append(len(images))
        return images.mean((2, 3))

    first = probe.Features(featurizer, setup.data, 32, transform, tmp_path, ("a",)).of_domain("day")
    second = probe.Features(featurizer, setup.data, 32, transform, tmp_path, ("a",)).of_domain("day")
    assert sum(batches) == len(first) == 36
    np.testing.assert_array_equal(first, second)
    probe.Features(featurizer, setup.data, 32, transform, tmp_path, ("b",)).of_domain("day")
    assert sum(batches) == 72
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(
        probe.Features(featurizer, setup.data, 32, transform, tmp_path, ("a",)).of_domain("day"), first
    )


@pytest.mark.parametrize("what", ["probe.READER", "numerics.version"])
def test_features_that_other_software_computed_are_not_used(
    setup: TrainingSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # After an upgrade a node must answer as one that has just joined.
    setup.perform(setup.probe(), tmp_path)
    before = set((tmp_path / "features").iterdir())
    other = "another reader" if what == "probe.READER" else lambda package: f"another {package}"
    monkeypatch.setattr(f"ratatouille.training.{what}", other)
    setup.perform(setup.probe(), tmp_path)
    assert len(set((tmp_path / "features").iterdir()) - before) == len(before)
