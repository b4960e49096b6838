"""Scores are compared as fractions of counts: whatever the order of sums, equal scores are equal."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import exact_accuracy, exact_balanced_accuracy, mean_score, nearest_float

CLASSES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: (min(pair), max(pair))))


def test_scores_of_three_domains_of_78_images_that_are_equal_are_equal_and_as_sums_of_floats_are_not() -> None:
    def of(counts: tuple[int, ...]) -> Fraction | None:
        return mean_score(exact_accuracy([(correct, 78)]) for correct in counts)

    triples = [(a, b, c) for a in range(30, 60) for b in range(30, 60) for c in range(30, 60) if a + b + c == 135]
    assert {of(counts) for counts in triples} == {Fraction(135, 3 * 78)}
    assert {nearest_float(of(counts)) for counts in triples} == {135 / 234}
    assert len({sum(correct / 78 for correct in counts) / 3 for counts in triples}) > 1


@given(CLASSES)
def test_the_order_of_classes_changes_nothing(classes: list[tuple[int, int]]) -> None:
    for metric in (exact_accuracy, exact_balanced_accuracy):
        assert metric(classes) == metric(classes[::-1])
    shares = [Fraction(correct, images) for correct, images in classes if images]
    assert exact_balanced_accuracy(classes) == (sum(shares, Fraction(0)) / len(shares) if shares else None)


def test_what_has_no_image_has_no_score_and_is_left_out_of_a_mean() -> None:
    assert exact_accuracy([]) is exact_balanced_accuracy([(0, 0)]) is mean_score([]) is None
    assert mean_score([Fraction(1, 2), None, Fraction(1, 3)]) == Fraction(5, 12)
    assert nearest_float(None) != nearest_float(None)  # NaN


def test_balanced_accuracy_of_many_classes_of_many_sizes_is_exact() -> None:
    counts = [(number % 7, 7 + number % 1300) for number in range(21_841)]
    correct: Counter[int] = Counter()
    for right, total in counts:
        correct[total] += right
    recalls = sum((Fraction(right, total) for total, right in correct.items()), Fraction(0))
    assert exact_balanced_accuracy(counts) == recalls / len(counts)


def test_an_evaluation_says_its_score_exactly_and_as_the_nearest_float() -> None:
    cell = Cell(domain="photo", split="all")
    matrices = [((1, 9, 0), (3, 7, 0), (0, 4, 6)), ((6, 4, 0), (9, 1, 0), (7, 0, 3))]
    for matrix in matrices:
        whole = Evaluation(cell=cell, confusion=matrix).exact("balanced_accuracy")
        assert whole is not None
        for order in permutations(range(3)):
            shuffled = tuple(tuple(matrix[i][j] for j in order) for i in order)
            found = Evaluation(cell=cell, confusion=shuffled)
            assert found.exact("balanced_accuracy") == whole
            assert found.balanced_accuracy == float(whole)
