"""Leaderboards: known answers of Holm's correction, and places that follow from who is ahead."""

from fractions import Fraction

import pytest

from ratatouille.exchange.leaderboard import chance, holm, places
from ratatouille.exchange.statistics import Ahead, ahead_on_same


def test_the_chance_is_that_of_the_interval() -> None:
    assert chance(Ahead(Fraction(0), 1.96, 1.0)) == pytest.approx(0.05, abs=1e-4)
    assert chance(Ahead(Fraction(0), -2.5758, 1.0)) == pytest.approx(0.01, abs=1e-5)
    assert chance(ahead_on_same(30, 30, 100)) == 1.0
    assert (chance(Ahead(Fraction(0), 0.0, 0.0)), chance(Ahead(Fraction(1), 1.0, 0.0))) == (1.0, 0.0)


def test_holm_stops_at_the_first_that_noise_could_show() -> None:
    """The example of Holm's own table: 0.01, 0.013, 0.014, 0.19 … at 5 %."""
    assert holm([0.01, 0.013, 0.014, 0.19]) == [True, True, True, False]
    assert holm([0.014, 0.19, 0.01, 0.013]) == [True, False, True, True]
    assert holm([0.02, 0.03, 0.04]) == [False, False, False]  # each alone would stand
    assert holm([]) == []


def test_places_are_shared_until_everybody_above_is_ahead_of_everybody_below() -> None:
    values = [Fraction(1), Fraction(3), Fraction(2), Fraction(0)]
    assert places(values, set()) == [(1, 4)] * 4
    everything = {(1, 2), (1, 0), (1, 3), (2, 0), (2, 3), (0, 3)}
    assert places(values, everything) == [(3, 3), (1, 1), (2, 2), (4, 4)]
    assert places(values, everything - {(2, 0)}) == [(2, 3), (1, 1), (2, 3), (4, 4)]
    assert places(values, everything - {(1, 0)}) == [(1, 3), (1, 3), (1, 3), (4, 4)]
