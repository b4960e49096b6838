"""Measures of how two networks err, against numbers made by hand and the laws of docs/method.md §7."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.analysis.pairs import kind_of, measured_pairs, q_diversity, ratio_error
from ratatouille.recipes.counting import Pool, PoolMember, SideCounts
from tests.ratatouille.analysis.counting import comparison, counted, rights

COUNT = st.integers(0, 50)


def test_q_diversity_and_ratio_error_by_hand() -> None:
    # Q = (50·20 − 10·20) / (50·20 + 10·20) = 800 / 1200
    assert q_diversity(50, 10, 20, 20) == pytest.approx(1 - 800 / 1200)
    assert ratio_error(50, 10, 20, 20) == pytest.approx(30 / 20)


def test_equal_predictions_have_no_diversity_and_independent_errors_have_one() -> None:
    assert q_diversity(7, 0, 0, 3) == 0
    assert q_diversity(10, 0, 0, 0) == 0  # the reference divides by zero here
    assert q_diversity(64, 16, 16, 4) == pytest.approx(1)
    assert q_diversity(0, 5, 5, 0) == 2  # never right together


def test_a_network_that_is_always_right_leaves_q_undefined() -> None:
    assert q_diversity(7, 3, 0, 0) is None
    assert q_diversity(0, 0, 4, 6) is None
    assert ratio_error(7, 3, 0, 0) == pytest.approx(2 * 3 / 10)
    assert ratio_error(0, 0, 0, 0) is None


@given(COUNT, COUNT, COUNT, COUNT)
def test_measures_are_symmetric_and_bounded(both: int, first: int, second: int, neither: int) -> None:
    one, other = q_diversity(both, first, second, neither), q_diversity(both, second, first, neither)
    assert one == other
    assert one is None or 0 <= one <= 2
    assert ratio_error(both, first, second, neither) == ratio_error(both, second, first, neither)


def test_kinds_of_pairs() -> None:
    foundation, clay, wool = PoolMember("foundation", 0), PoolMember("clay", 1), PoolMember("wool", 2)
    assert kind_of(foundation, PoolMember("foundation", 4)) == "foundation twice"
    assert kind_of(clay, PoolMember("clay", 4)) == "one auxiliary task twice"
    assert kind_of(foundation, clay) == kind_of(clay, wool) == "different starts"


def test_measures_are_means_over_domains_of_counts_that_are_summed_over_holdings() -> None:
    ink = [rights(["1100", "1010"]), rights(["1100", "0110"])]
    clay = rights(["111000", "111000"])
    parts = (comparison(("ink", ink[0]), ("clay", clay)), comparison(("ink", ink[1])))
    pool = Pool((PoolMember("foundation", 0), PoolMember("clay", 1)), SideCounts(()), SideCounts(parts))
    (pair,) = measured_pairs(pool, {})
    # ink: both 2, each alone 2, neither 2, so Q = 0; clay: the same images, so Q = 1
    assert pair.held_out.q_diversity == pytest.approx((1 + 0) / 2)
    assert pair.held_out.ratio_error == pytest.approx((4 / 2 + 0) / 2)
    assert pair.held_out.feature_diversity is None
    assert pair.validation.q_diversity is None
    assert counted(("ink", ink[0])).parts[0].pairs[0].both == 1


def test_a_domain_without_images_is_left_out_of_every_measure() -> None:
    ink, nothing = rights(["1100", "1010"]), np.zeros((2, 0), np.bool_)
    pool = Pool(
        (PoolMember("foundation", 0), PoolMember("clay", 1)), SideCounts(()), counted(("ink", ink), ("clay", nothing))
    )
    (pair,) = measured_pairs(pool, {})
    assert pair.held_out.q_diversity == 1  # of the ink alone, and not (1 + 0) / 2
    assert pair.held_out.ratio_error == 2
    assert q_diversity(0, 0, 0, 0) is None
