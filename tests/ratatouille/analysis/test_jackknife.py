"""Correlations and their intervals."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from ratatouille.analysis import intervals


def test_ranks_of_equal_values_are_shared() -> None:
    found = intervals.rank_correlation([3.0, 1.0, 3.0, 7.0], [2.0, 1.0, 3.0, 4.0])
    assert found is not None
    assert found.value == pytest.approx(4.5 / math.sqrt(4.5 * 5))  # Pearson's of 2.5, 1, 2.5, 4 and 2, 1, 3, 4


def test_fractions_that_are_one_float_have_different_ranks() -> None:
    third = Fraction(1, 3)
    nearly = third + Fraction(1, 10**30)
    assert float(third) == float(nearly)
    found = intervals.rank_correlation([third, nearly, Fraction(1), Fraction(2)], [1.0, 2.0, 3.0, 4.0])
    assert found is not None
    assert found.value == pytest.approx(1.0)


def test_rank_correlation_by_hand() -> None:
    found = intervals.rank_correlation([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 4.0])
    assert found is not None
    assert found.value == pytest.approx(1 - 6 * 4 / (5 * 24))  # four ranks differ by one
    deviation = math.sqrt((1 + 0.8**2 / 2) / 2)
    assert found.high == pytest.approx(math.tanh(math.atanh(0.8) + 1.96 * deviation))


def test_a_side_that_does_not_vary_has_no_correlation() -> None:
    assert intervals.correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert intervals.rank_correlation([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) is None  # too few


def test_the_deviation_of_a_mean_over_pairs_is_that_of_leaving_out_each_run() -> None:
    pairs = list(combinations(range(4), 2))
    values = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0]  # 1 for the pairs of run 3
    found = intervals.deviation_over_runs(pairs, lambda kept: sum(values[place] for place in kept) / len(kept))
    # Without run 3 the mean is 0, without another one it is 2/3: √(3/4 · ((0 − ½)² + 3 (⅔ − ½)²))
    assert found == pytest.approx(math.sqrt(3 / 4 * (1 / 4 + 3 / 36)))


def test_too_few_runs_have_no_deviation() -> None:
    assert intervals.deviation_over_runs([(0, 1)], lambda kept: 1.0 if kept else None) is None


def test_two_points_have_no_correlation_and_three_have_one() -> None:
    assert intervals.correlation([1.0, 2.0], [1.0, 2.0]) is None
    assert intervals.correlation([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]) == pytest.approx(3 / math.sqrt(28 / 3))


def test_three_points_have_no_interval_of_their_ranks_and_four_have_one() -> None:
    assert intervals.rank_correlation([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]) is None
    found = intervals.rank_correlation([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 4.0, 3.0])
    assert found is not None
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(math.tanh(math.atanh(0.8) - 1.96 * math.sqrt(1.32)))


def test_two_runs_have_no_deviation_and_three_have_one() -> None:
    assert intervals.deviation_over_runs([(0, 1), (0, 1)], lambda kept: float(len(kept))) is None
    pairs, values = [(0, 1), (0, 2), (1, 2)], [0.0, 0.0, 3.0]
    found = intervals.deviation_over_runs(pairs, lambda kept: sum(values[place] for place in kept) / len(kept))
    assert found == pytest.approx(2.0)  # 3, 0 and 0 without one of the runs: √(2/3 · (4 + 1 + 1))


def test_pairs_of_many_runs_find_a_correlation_and_the_interval_holds_it() -> None:
    generator = np.random.default_rng(0)
    run = generator.standard_normal(14)
    pairs = list(combinations(range(14), 2))
    x = [float(run[i] + run[j]) for i, j in pairs]
    y = [value + float(generator.standard_normal()) for value in x]
    found = intervals.correlation_over_pairs(pairs, x, y)
    assert found is not None
    assert found.value == pytest.approx(float(np.corrcoef(x, y)[0, 1]))
    assert 0 < found.low < found.value < found.high < 1
