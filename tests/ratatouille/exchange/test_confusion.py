from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.confusion import (
    SPARSE_ABOVE,
    Confusion,
    Sparse,
    add,
    by_class,
    class_count,
    confusion_of,
    confusion_text,
    entries,
    known_confusion,
    merged,
    totals,
)
from ratatouille.exchange.receipt import Evaluation

CELL = Cell(domain="night", split="all")
FEW = ((3, 1, 0), (0, 4, 2), (1, 0, 5))
MANY = 21_841

Entries = list[tuple[int, int, int]]


@st.composite
def counted(draw: st.DrawFn, classes: Sequence[int] = (2, 3, 300)) -> tuple[int, Entries]:
    number = draw(st.sampled_from(classes))
    place = st.integers(0, number - 1)
    return number, draw(st.lists(st.tuples(place, place, st.integers(1, 9)), max_size=30))


def test_a_dense_matrix_keeps_its_bytes() -> None:
    body = b'{"cell":{"domain":"night","slice":"all","split":"all"},"confusion":[[3,1,0],[0,4,2],[1,0,5]]}'
    assert Evaluation(cell=CELL, confusion=FEW).to_json() == body
    assert Evaluation.from_json(body).to_json() == body


def test_a_dense_matrix_of_many_classes_that_was_signed_before_keeps_its_bytes() -> None:
    classes = SPARSE_ABOVE + 1
    rows = tuple(tuple(int(true == taken) for taken in range(classes)) for true in range(classes))
    evaluation = Evaluation(cell=CELL, confusion=rows)
    assert evaluation.count == classes
    assert Evaluation.from_json(evaluation.to_json()).to_json() == evaluation.to_json()


def test_the_sparse_form_begins_above_256_classes() -> None:
    assert isinstance(confusion_of(SPARSE_ABOVE, [(0, 1, 2)]), tuple)
    assert confusion_of(SPARSE_ABOVE + 1, [(5, 5, 1), (0, 1, 2), (5, 5, 1)]) == Sparse(
        classes=SPARSE_ABOVE + 1, entries=((0, 1, 2), (5, 5, 2))
    )


def test_a_task_of_21841_classes_is_counted_in_kilobytes() -> None:
    evaluation = Evaluation(cell=CELL, confusion=confusion_of(MANY, [(n, (7 * n) % MANY, 1) for n in range(MANY)]))
    assert (evaluation.count, evaluation.correct) == (MANY, 1)
    assert len(evaluation.to_json()) < 500_000
    assert Evaluation.from_json(evaluation.to_json()) == evaluation


@given(counted(), st.integers(1, 6))
def test_merging_small_mistakes_keeps_what_is_recognised_of_every_class_and_every_score(
    of: tuple[int, Entries], smallest: int
) -> None:
    matrix = confusion_of(*of)
    told = merged(matrix, smallest)
    assert by_class(told) == by_class(matrix)
    assert totals(told) == totals(matrix)
    one, other = Evaluation(cell=CELL, confusion=told), Evaluation(cell=CELL, confusion=matrix)
    assert (one.balanced_accuracy == other.balanced_accuracy) or not other.count
    classes = class_count(matrix)
    if classes > 2:
        assert all(images >= smallest for true, taken, images in entries(told) if true != taken < classes)


@given(counted())
def test_both_forms_say_the_same(of: tuple[int, Entries]) -> None:
    classes, found = of
    matrix = confusion_of(classes, found)
    spread = [[0] * classes for _ in range(classes)]
    for true, taken, images in found:
        spread[true][taken] += images
    assert by_class(matrix) == [(row[n], sum(row)) for n, row in enumerate(spread)]
    assert totals(matrix) == (sum(row[n] for n, row in enumerate(spread)), sum(map(sum, spread)))
    assert list(entries(matrix)) == [
        (true, taken, images) for true, row in enumerate(spread) for taken, images in enumerate(row) if images
    ]
    assert known_confusion(confusion_text(matrix)) == matrix


def test_matrices_are_added_cell_by_cell_also_when_one_of_them_tells_less() -> None:
    assert add([((90, 0), (5, 5)), ((1, 2), (3, 4))]) == ((91, 2), (8, 9))
    assert add([FEW, merged(FEW, 2)]) == ((6, 1, 0, 1), (0, 8, 4, 0), (1, 0, 10, 1))
    with pytest.raises(ValueError, match=r"\[2, 3\] classes"):
        add([FEW, ((1, 0), (0, 1))])


def test_with_two_classes_nothing_is_merged() -> None:
    matrix: Confusion = ((3, 1), (0, 4))
    assert merged(matrix, 5) == matrix


@pytest.mark.parametrize(
    ("confusion", "why"),
    [
        ("[[1,2],[3]]", "as many columns"),
        ("[[1,0,0],[0,1,0]]", "left out where it is empty"),
        ("[[1,0,0,1],[0,1,0,0]]", "as many columns"),
        ('{"classes":3,"entries":[[0,1,1],[0,0,1]]}', "in order"),
        ('{"classes":3,"entries":[[0,1,1],[0,1,1]]}', "in order"),
        ('{"classes":3,"entries":[[3,1,1]]}', "beyond its 3"),
        ('{"classes":3,"entries":[[0,4,1]]}', "beyond its 3"),
        ('{"classes":3,"entries":[[0,1,0]]}', "greater than or equal to 1"),
        ('{"classes":3,"entries":[[0,-1,1]]}', "greater than or equal to 0"),
        ('{"classes":0,"entries":[]}', "greater than or equal to 1"),
        ('"many"', "valid"),
    ],
)
def test_a_matrix_that_is_none_is_refused(confusion: str, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        Evaluation.from_json('{"cell":{"domain":"night","split":"all"},"confusion":' + confusion + "}")
