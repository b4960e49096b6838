"""Paired differences against numbers worked out by hand, and laws that they obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.analysis.own_data import OwnDifference, difference, lead, own_scores
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation

Answers = dict[str, tuple[int, bool]]


def answers(*right: bool, labels: tuple[int, ...] = ()) -> Answers:
    return {str(number): (labels[number] if labels else 0, one) for number, one in enumerate(right)}


def test_the_interval_is_that_of_agresti_and_min() -> None:
    # b = 6 and c = 2 of 20: centre 4 / 22, half-width 1.96 · √(9 − 16 / 22) / 22
    first = answers(*[True] * 6, *[False] * 2, *[True] * 12)
    second = answers(*[False] * 6, *[True] * 2, *[True] * 12)
    found = difference(first, second, "accuracy")
    assert found.value == pytest.approx(0.2)
    assert [found.low, found.high] == pytest.approx([-0.07443, 0.43807], abs=1e-5)
    assert not found.sure


def test_balanced_accuracy_weighs_classes_alike() -> None:
    labels = (0, 0, 0, 0, 1)
    first, second = answers(*[True] * 5, labels=labels), answers(*[True] * 4, False, labels=labels)
    assert difference(first, second, "accuracy").value == pytest.approx(1 / 5)
    assert difference(first, second, "balanced_accuracy").value == pytest.approx(1 / 2)


def test_images_on_which_both_agree_only_narrow_the_interval() -> None:
    few = difference(answers(True, False, *[True] * 10), answers(False, True, *[True] * 10), "accuracy")
    many = difference(answers(True, False, *[True] * 1000), answers(False, True, *[True] * 1000), "accuracy")
    assert few.value == many.value == 0
    assert many.high < few.high


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_difference_turned_round_has_the_other_sign(images: list[tuple[int, bool, bool]]) -> None:
    labels = tuple(label for label, _, _ in images)
    first = answers(*(one for _, one, _ in images), labels=labels)
    second = answers(*(other for _, _, other in images), labels=labels)
    for metric in ("accuracy", "balanced_accuracy"):
        there, back = difference(first, second, metric), difference(second, first, metric)
        assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
        assert there.low <= there.high


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same images"):
        difference(answers(True), answers(True, True), "accuracy")


def test_all_images_together_come_before_the_domains_of_a_folder() -> None:
    counts = {
        f"domain-{number}": Evaluation(cell=Cell(domain=f"domain-{number}", split="all"), confusion=matrix)
        for number, matrix in enumerate([((8, 2), (0, 10)), ((1, 1), (3, 3))])
    }
    everything, first, second = own_scores(counts, {"domain-0": "my kitchen", "domain-1": "my garden"})
    assert (everything.domain, everything.correct, everything.images) == (None, 22, 28)
    assert (first.domain, first.accuracy.value, second.accuracy.value) == ("my kitchen", 0.9, 0.5)
    assert everything.balanced_accuracy.value == pytest.approx((9 / 12 + 13 / 16) / 2)
    (only,) = own_scores({"all": counts["domain-0"]}, {})
    assert (only.domain, only.images) == (None, 20)


def test_the_sentence_says_whether_the_lead_is_more_than_noise() -> None:
    sure = OwnDifference(value=0.1, low=0.02, high=0.18, images=100)
    unsure = OwnDifference(value=0.01, low=-0.02, high=0.04, images=100)
    level = OwnDifference(value=0.0, low=-0.02, high=0.02, images=100)
    assert lead(["a"], [], "accuracy") == "a is the only version, so there is nothing to compare."
    assert lead(["a", "b", "c"], [sure, sure], "accuracy") == (
        "a is ahead of b by 10.0 points of accuracy on the same 100 images (95 % interval 2.0 to 18.0), which is more "
        "than noise."
    )
    assert lead(["a", "b", "c"], [unsure, sure], "balanced_accuracy") == (
        "a is ahead of b by 1.0 points of balanced accuracy on the same 100 images (95 % interval −2.0 to 4.0); the "
        "best cannot be told from 1 of the 2 others by so many images."
    )
    assert lead(["a", "b"], [level], "accuracy") == (
        "a and b are level in accuracy on these 100 images; the best cannot be told from the other one by so many "
        "images."
    )
