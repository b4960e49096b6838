from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.web.drawing.plot import axis


@pytest.mark.parametrize(
    ("values", "low", "high", "labels"),
    [
        ([41.2, 58.9], 40.0, 60.0, ["40", "45", "50", "55", "60"]),
        ([0.0, 100.0], 0.0, 100.0, ["0", "20", "40", "60", "80", "100"]),
        ([0.512, 0.517], 0.512, 0.517, ["0.512", "0.513", "0.514", "0.515", "0.516", "0.517"]),
        ([3.0, 3.0], 2.4, 3.6, ["2.4", "2.6", "2.8", "3.0", "3.2", "3.4", "3.6"]),
    ],
)
def test_an_axis_goes_from_a_round_number_to_a_round_number(
    values: list[float], low: float, high: float, labels: list[str]
) -> None:
    found = axis(values, 0, 100)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert [found.label(tick) for tick in found.ticks] == labels


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(1, 9))
def test_every_value_lies_on_the_axis_and_ticks_are_few(values: list[float], wanted: int) -> None:
    found = axis(values, 200, 10, ticks=wanted)
    nothing = 1e-8 * (found.high - found.low)
    assert found.low <= min(values) + nothing
    assert found.high >= max(values) - nothing
    assert 2 <= len(found.ticks) <= 2 * wanted + 3
    assert all(10 <= found.at(value) <= 200 for value in values)
    assert len({found.label(tick) for tick in found.ticks}) == len(found.ticks)


def test_nothing_and_what_is_not_finite_leave_an_axis_from_zero_to_one() -> None:
    for values in ([], [math.nan, math.inf]):
        found = axis(values, 0, 10)
        assert (found.low, found.high) == (0.0, 1.0)
        assert found.at(5.0) == 10.0
