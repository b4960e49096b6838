from __future__ import annotations

import pytest

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.record import sha256
from registry.presentation.scores import class_rows, heat, mistakes, scored_cells
from registry.records import StoredEvaluation

CLASSES = ("cat", "dog", "cow")
COUNTS = ((8, 1, 1), (0, 0, 0), (2, 0, 3))


def stored(
    confusion: tuple[tuple[int, ...], ...] = COUNTS, domain: str = "photo", split: str = "test", holding: str = "a"
) -> StoredEvaluation:
    cell = Cell.model_validate({"domain": domain, "split": split})
    return StoredEvaluation(
        task=sha256(b"pets"),
        task_name="pets",
        fingerprint=sha256(holding.encode()),
        node=sha256(b"node"),
        trial=0,
        image_size=64,
        evaluation=Evaluation(cell=cell, confusion=confusion),
    )


def test_counts_of_several_holdings_are_one_cell() -> None:
    (cell,) = scored_cells([stored(), stored(holding="b")])
    assert (cell.holdings, cell.images, cell.accuracy) == (2, 30, 11 / 15)
    assert cell.confusion == ((16, 2, 2), (0, 0, 0), (4, 0, 6))


def test_held_out_images_come_before_those_that_were_chosen_on() -> None:
    parts = [stored(split=split, domain=domain) for split in ("train", "validation", "all", "test") for domain in "ba"]
    assert [(cell.split, cell.domain) for cell in scored_cells(parts)] == [
        (split, domain) for split in ("test", "all", "validation", "train") for domain in "ab"
    ]


def test_each_class_has_its_recall_and_what_it_is_taken_for() -> None:
    (cell,) = scored_cells([stored()])
    cat, dog, cow = class_rows(cell, CLASSES)
    assert (cat.images, cat.correct, cat.recall, cat.mistaken, cat.times) == (10, 8, 0.8, "dog", 1)
    assert (dog.images, dog.recall, dog.margin, dog.mistaken) == (0, None, None, None)
    assert (cow.recall, cow.mistaken, cow.times) == (0.6, "cat", 2)
    # n = 10 + 1.96², p = (8 + 1.96²/2) / n, margin = 1.96 · √(p(1 − p) / n)
    assert cat.margin == pytest.approx(0.2374, abs=1e-4)


def test_mistakes_are_the_most_frequent_first() -> None:
    (cell,) = scored_cells([stored()])
    found = [(one.true, one.taken, one.count, one.of) for one in mistakes(cell, CLASSES, 2)]
    assert found == [("cow", "cat", 2, 5), ("cat", "cow", 1, 10)]


@pytest.mark.parametrize(
    ("count", "row", "tenths"), [(0, (0, 0), 0), (0, (0, 4), 0), (1, (1, 99), 1), (5, (5, 5), 5), (3, (3, 0), 10)]
)
def test_heat_is_the_tenth_of_the_row_and_never_nothing_for_something(
    count: int, row: tuple[int, ...], tenths: int
) -> None:
    assert heat(count, row) == tenths


def test_a_cell_without_images_has_no_accuracy() -> None:
    (cell,) = scored_cells([stored(((0, 0, 0),) * 3)])
    assert (cell.images, cell.accuracy, cell.margin, cell.balanced_accuracy) == (0, None, None, None)
