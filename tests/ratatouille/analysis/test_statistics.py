"""Intervals against tabulated quantiles of Student's distribution."""

import math
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.analysis.intervals import t_quantile, trial_interval


@pytest.mark.parametrize(
    ("freedom", "tabulated"),
    [(1, 12.7062), (2, 4.3027), (4, 2.7764), (9, 2.2622), (30, 2.0423), (120, 1.9799)],
)
def test_quantiles_are_the_tabulated_ones(freedom: int, tabulated: float) -> None:
    assert t_quantile(freedom) == pytest.approx(tabulated, abs=1e-4)


def test_an_interval_is_the_mean_with_its_standard_error_times_the_quantile() -> None:
    values = [0.1, 0.2, 0.4, 0.1, 0.3]
    found = trial_interval(values)
    half = 2.7764 * stdev(values) / math.sqrt(5)
    assert found.mean == pytest.approx(0.22)
    assert found.low == pytest.approx(mean(values) - half, abs=1e-5)
    assert found.high == pytest.approx(mean(values) + half, abs=1e-5)
    assert found.n == 5
    assert found.sure


def test_one_value_has_no_interval_and_is_never_sure() -> None:
    found = trial_interval([0.5])
    assert (found.low, found.high, found.sure) == (None, None, False)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(-1, 1))
def test_a_shift_moves_the_interval_and_not_its_width(values: list[float], shift: float) -> None:
    one, other = trial_interval(values), trial_interval([value + shift for value in values])
    assert one.high is not None
    assert other.high is not None
    assert other.high - other.mean == pytest.approx(one.high - one.mean, abs=1e-9)
    assert other.mean == pytest.approx(one.mean + shift, abs=1e-9)
