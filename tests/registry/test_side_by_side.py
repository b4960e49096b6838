from __future__ import annotations

import pytest

from ratatouille.exchange import assignment
from ratatouille.exchange.receipt import Evaluation
from registry.history.side_by_side import CountedCell, side_by_side
from registry.records import StoredEvaluation

HERE, THERE = "1" * 64, "2" * 64


def stored(correct: int, of: int = 10, domain: str = "photo", fingerprint: str = HERE) -> StoredEvaluation:
    cell = assignment.Cell(domain=domain, split="test")
    confusion = ((correct, of - correct), (0, 0))
    return StoredEvaluation(
        task="0" * 64,
        task_name="pets",
        fingerprint=fingerprint,
        node="3" * 64,
        trial=0,
        image_size=8,
        evaluation=Evaluation(cell=cell, confusion=confusion),
    )


def test_what_both_were_counted_on_has_a_difference_with_an_interval() -> None:
    (row,) = side_by_side([stored(6)], [stored(9)], {})
    assert (row.task, row.domain, row.images, row.same_images, row.paired) == ("pets", "photo", (10, 10), True, False)
    gap = row.accuracy
    assert (gap.first, gap.second) == (0.6, 0.9)
    assert gap.difference == pytest.approx(0.3)
    # Agresti and Caffo: p = 7/12 and 10/12, ± 1.96 √((7·5 + 10·2) / 12³)
    assert (gap.low, gap.high) == pytest.approx((0.25 - 0.34967, 0.25 + 0.34967), abs=1e-4)
    assert row.balanced_accuracy == gap


def test_joint_counts_make_the_interval_narrower() -> None:
    cell = CountedCell(HERE, 0, 8, "photo", "test", "all")
    (alone,) = side_by_side([stored(60, 100)], [stored(70, 100)], {})
    (joint,) = side_by_side([stored(60, 100)], [stored(70, 100)], {cell: (1, 11)})
    assert (alone.paired, joint.paired) == (False, True)
    assert alone.accuracy.low is not None
    assert joint.accuracy.low is not None
    assert alone.accuracy.low < 0 < joint.accuracy.low
    assert joint.accuracy.difference == alone.accuracy.difference
    assert joint.balanced_accuracy == alone.balanced_accuracy


def test_only_holdings_of_both_are_compared_where_there_are_some() -> None:
    (row,) = side_by_side([stored(6), stored(0, fingerprint=THERE)], [stored(9)], {})
    assert (row.images, row.same_images, row.accuracy.first) == ((10, 10), True, 0.6)
    (row,) = side_by_side([stored(6)], [stored(9, fingerprint=THERE), stored(1, fingerprint="4" * 64)], {})
    assert (row.images, row.same_images, row.accuracy.second) == ((10, 20), False, 0.5)


def test_joint_counts_of_one_holding_say_nothing_of_another() -> None:
    cell = CountedCell(HERE, 0, 8, "photo", "test", "all")
    both = [stored(6), stored(6, fingerprint=THERE)]
    (row,) = side_by_side(both, both, {cell: (0, 0)})
    assert (row.images, row.paired) == ((20, 20), False)


def test_the_mean_is_over_the_domains_of_both_and_comes_last() -> None:
    first = [stored(6), stored(8, domain="sketch"), stored(1, domain="film")]
    rows = side_by_side(first, [stored(9), stored(7, domain="sketch")], {})
    assert [row.domain for row in rows] == ["film", "photo", "sketch", None]
    film, mean = rows[0], rows[-1]
    assert (film.images, film.accuracy.first, film.accuracy.second) == ((10, 0), 0.1, None)
    assert film.accuracy.difference is None
    assert (mean.images, mean.accuracy.second) == ((20, 20), 0.8)
    assert mean.accuracy.first == pytest.approx(0.7)
    assert mean.accuracy.difference == pytest.approx(0.1)


def test_a_cell_without_images_is_left_out() -> None:
    assert side_by_side([stored(0, 0)], [stored(1, 1)], {})[0].images == (0, 1)
    assert side_by_side([stored(0, 0)], [], {}) == ()
