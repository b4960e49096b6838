from __future__ import annotations

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from registry.presentation.scores import score_lines, sparkline
from registry.records import StoredEvaluation


def _stored(fingerprint: str, confusion: tuple[tuple[int, ...], ...], domain: str = "photo") -> StoredEvaluation:
    cell = Cell(domain=domain, split="test")
    return StoredEvaluation(
        task="0" * 64,
        task_name="pets",
        fingerprint=fingerprint * 64,
        node="1" * 64,
        trial=0,
        image_size=8,
        evaluation=Evaluation(cell=cell, confusion=confusion),
    )


def test_counts_of_a_cell_are_summed_over_holdings() -> None:
    lines = score_lines([_stored("b", ((2, 0), (1, 1))), _stored("a", ((1, 1), (0, 2))), _stored("a", ((1,),), "film")])
    assert [(line.domain, line.holdings, line.images, line.accuracy) for line in lines] == [
        ("film", 1, 1, 1.0),
        ("photo", 2, 8, 0.75),
    ]
    assert lines[1].balanced_accuracy == 0.75


def test_a_cell_without_images_has_no_share() -> None:
    (line,) = score_lines([_stored("a", ((0, 0), (0, 0)))])
    assert (line.images, line.accuracy, line.margin, line.balanced_accuracy) == (0, None, None, None)


def test_a_sparkline_goes_from_lowest_to_highest_and_keeps_both_ends() -> None:
    assert sparkline([0.0, 1.0, 0.5]) == "▁█▅"
    assert sparkline([]) == ""
    assert len(set(sparkline([3.0, 3.0]))) == 1
    long = sparkline([float(i) for i in range(1000)], width=10)
    assert (len(long), long[0], long[-1]) == (10, "▁", "█")
