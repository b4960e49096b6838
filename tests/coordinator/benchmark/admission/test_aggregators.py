"""Robust averages, and attacks of the literature, beside those of byzfl."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.benchmark.admission.aggregators import Aggregate, aggregates, krum_scores
from coordinator.benchmark.admission.attacks import ALIE, IPM, deviation_of, inner_product, mean_of
from ratatouille.weights.methods import METHODS
from tests.coordinator.benchmark.admission.networks import network

CASES = [(5, 1), (5, 2), (8, 1), (8, 3), (20, 1), (20, 8)]


@pytest.fixture(scope="module")
def byzfl() -> Any:
    return pytest.importorskip("byzfl", reason="the oracle of attacks and aggregators is in the extra `dev`")


def _vectors(count: int) -> NDArray[np.float32]:
    return np.stack([network(seed).values for seed in range(count)])


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    found: NDArray[np.float64] = ((wide[:, None] - wide[None]) ** 2).sum(-1)
    return found


def _made(one: Aggregate, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    chosen = [vectors[place] for place in one.places]
    parameters = {} if one.share is None else {"share": one.share}
    method = METHODS[one.method]
    method.check([1] * len(chosen), parameters)
    found: NDArray[np.float32] = method.reduce(chosen, [1] * len(chosen), parameters)
    return found


@pytest.mark.parametrize(("count", "attackers"), CASES)
def test_our_aggregates_are_those_of_byzfl(byzfl: Any, count: int, attackers: int) -> None:
    vectors = _vectors(count)
    found = {name: _made(one, vectors) for name, one in aggregates(_squares(vectors), attackers).items()}
    wide = vectors.astype(np.float64)
    expected = {
        "mean": byzfl.Average()(wide),
        "median": byzfl.Median()(wide),
        "trimmed mean": byzfl.TrMean(attackers)(wide),
        "Krum": byzfl.Krum(attackers)(wide),
        "Multi-Krum": byzfl.MultiKrum(attackers)(wide),
    }
    assert found.keys() == expected.keys()
    for name, vector in found.items():
        np.testing.assert_allclose(vector, expected[name], rtol=1e-6, atol=1e-6, err_msg=name)


def test_attacks_on_updates_are_those_of_byzfl(byzfl: Any) -> None:
    honest = [network(seed) for seed in range(6)]
    wide = [one.values.astype(np.float64) for one in honest]
    mean = mean_of(honest)
    np.testing.assert_allclose(mean + ALIE * deviation_of(honest, mean), byzfl.ALittleIsEnough(ALIE)(wide), atol=1e-9)
    np.testing.assert_allclose(inner_product(mean, IPM), byzfl.InnerProductManipulation(IPM)(wide), atol=1e-9)
    np.testing.assert_allclose(inner_product(mean, 1.0), byzfl.SignFlipping()(wide), atol=1e-9)


def test_krum_prefers_the_middle_of_the_crowd_to_an_outlier() -> None:
    points = np.array([[0.0], [0.1], [0.2], [0.3], [9.0]], np.float32)
    scores = krum_scores(_squares(points), 1)
    assert scores.argmax() == 4
    assert aggregates(_squares(points), 1)["Krum"].places in ((1,), (2,))
