"""The noise of differences between networks: golden numbers, and a bootstrap over images as the judge."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ratatouille.analysis.intervals import accuracies, combination, counts_of, covariance, difference, images, joints
from ratatouille.recipes.counting import SideCounts
from tests.ratatouille.analysis.counting import Right, comparison, counted, rights


def test_accuracies_and_covariance_of_four_images_by_hand() -> None:
    domains = joints(counted(("ink", rights(["1110", "1100"]))))
    assert images(domains) == 4
    assert accuracies(domains).tolist() == [0.75, 0.5]
    # p = 3/4 and 1/2, N11/n = 1/2: variances (3/4 − 9/16)/3 and (1/2 − 1/4)/3, covariance (1/2 − 3/8)/3
    assert covariance(domains) == pytest.approx(np.array([[1 / 16, 1 / 24], [1 / 24, 1 / 12]]))
    # Var(a − b) = 1/16 + 1/12 − 2/24 = 1/16
    found = difference(domains, 0, 1)
    assert found.value == pytest.approx(0.25)
    assert found.high - found.value == pytest.approx(1.96 * math.sqrt(1 / 16))


def test_domains_count_alike_and_their_variances_add() -> None:
    ink, clay = rights(["1110", "1100"]), rights(["10", "01"])
    both = joints(counted(("ink", ink), ("clay", clay)))
    assert accuracies(both) == pytest.approx(np.array([(0.75 + 0.5) / 2, (0.5 + 0.5) / 2]))
    alone = [covariance(joints(counted((name, one)))) for name, one in (("ink", ink), ("clay", clay))]
    assert covariance(both) == pytest.approx((alone[0] + alone[1]) / 4)


def test_holdings_of_one_domain_are_summed() -> None:
    parts = (rights(["11", "10"]), rights(["10", "10"]))
    split = SideCounts(tuple(comparison(("ink", one)) for one in parts))
    whole = counted(("ink", np.concatenate(parts, axis=1)))
    assert [one.both.tolist() for one in joints(split)] == [one.both.tolist() for one in joints(whole)]
    assert [one.correct for one in counts_of(split, 0)] == [2, 1]


def test_no_images_are_no_domains() -> None:
    assert joints(SideCounts(())) == []
    assert joints(counted(("ink", np.zeros((2, 0), bool)))) == []


@given(arrays(np.bool_, (3, 9)))
def test_a_network_against_itself_is_no_difference(right: Right) -> None:
    doubled = joints(counted(("ink", np.concatenate([right, right[:1]]))))
    found = difference(doubled, 0, 3)
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-7)


@given(arrays(np.bool_, (3, 9)), st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_the_formula_is_the_sample_variance_of_the_images_combined_correctness(
    right: Right, coefficients: list[float]
) -> None:
    found = combination(joints(counted(("ink", right))), coefficients)
    values = np.asarray(coefficients) @ right
    assert found.value == pytest.approx(float(values.mean()), abs=1e-9)
    margin = 1.96 * math.sqrt(float(values.var(ddof=1)) / 9)
    assert found.high - found.value == pytest.approx(margin, abs=1e-6)


def test_a_bootstrap_over_images_of_two_domains_finds_the_same_margin() -> None:
    generator = np.random.default_rng(0)
    easy = generator.random(200)
    domains = {
        "ink": np.array([easy[:120] > at for at in (0.3, 0.35, 0.6)]) ^ (generator.random((3, 120)) < 0.1),
        "clay": np.array([easy[120:] > at for at in (0.5, 0.45, 0.4)]) ^ (generator.random((3, 80)) < 0.1),
    }
    coefficients = np.array([0.5, 0.5, -1.0])
    found = combination(joints(counted(*domains.items())), list(coefficients))
    drawn = []
    for _ in range(4000):
        means = [
            coefficients @ right[:, generator.integers(0, right.shape[1], right.shape[1])].mean(1)
            for right in domains.values()
        ]
        drawn.append(np.mean(means))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * float(np.std(drawn)), rel=0.06)
