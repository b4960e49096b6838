from __future__ import annotations

import math

import pytest

from ratatouille.exchange.confusion import by_class
from ratatouille.exchange.statistics import Z, accuracy, balanced_accuracy, margin, mean_of

RARE = ((90, 0), (5, 5))
"""Ninety images of one class, ten of the other."""


def test_the_margin_is_never_zero_and_shrinks_with_the_root_of_the_count() -> None:
    assert margin(50, 100) == pytest.approx(0.0962, abs=1e-4)
    assert margin(100, 100) > 0
    assert margin(5000, 10000) == pytest.approx(margin(50, 100) / 10, rel=0.02)


def test_balanced_accuracy_is_the_mean_over_the_classes_that_occur() -> None:
    assert by_class(RARE) == [(90, 90), (5, 10)]
    assert (accuracy(RARE).value, balanced_accuracy(RARE).value) == (0.95, 0.75)
    assert balanced_accuracy(((0, 0), (1, 3))).value == 0.75
    # the ten images of the rare class decide: ± 0.26 of it is ± 0.13 of the mean
    assert balanced_accuracy(RARE).margin == pytest.approx(margin(5, 10) / 2, abs=5e-3)


def test_a_mean_over_domains_weighs_them_alike_and_its_variances_add() -> None:
    one, two = accuracy(((8, 2), (0, 0))), accuracy(((500, 500), (0, 0)))
    mean = mean_of([one, two])
    assert (mean.value, mean.images, mean.correct) == (0.65, 1010, 508)
    assert mean.margin == pytest.approx((one.margin**2 + two.margin**2) ** 0.5 / 2)


@pytest.mark.parametrize(("correct", "images"), [(0, 5), (3, 5), (70, 100), (999, 1000)])
def test_the_interval_without_numpy_is_that_of_scipy(correct: int, images: int) -> None:
    from scipy.stats import binomtest, norm

    assert pytest.approx(norm.ppf(0.975), abs=5e-5) == Z
    seen, share = images + Z**2, (correct + Z**2 / 2) / (images + Z**2)
    low, high = norm.interval(0.95, loc=share, scale=math.sqrt(share * (1 - share) / seen))
    assert margin(correct, images) == pytest.approx((high - low) / 2, rel=1e-4)
    wilson = binomtest(correct, images).proportion_ci(method="wilson")  # Agresti's and Coull's has the same middle
    assert (wilson.low + wilson.high) / 2 == pytest.approx(share, abs=1e-4)
    assert margin(correct, images) >= (wilson.high - wilson.low) / 2 - 1e-4
