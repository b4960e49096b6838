"""Counts of a version, summed over holdings: shares with their intervals, classes, and what is taken for what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ratatouille.exchange.confusion import Confusion, add, by_class, entries
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import margin
from ratatouille.record import Record
from registry.records import StoredEvaluation

NOT_TOLD = "other classes"
"""What a node does not tell apart: mistakes that too few images share."""
_ORDER = {"test": 0, "all": 1, "validation": 2, "train": 3}
"""What was held out comes first: it says more than what was trained or chosen on."""


class Cell(Record):
    """One confusion matrix of a version."""

    task: str
    domain: str
    split: str
    slice: str
    trial: int
    image_size: int
    holdings: int
    images: int
    accuracy: float | None
    """None where there is no image."""
    margin: float | None
    """Half-width of the accuracy's 95 % interval over images."""
    balanced_accuracy: float | None
    confusion: Confusion

    @property
    def key(self) -> str:
        """Its name among the cells of all versions."""
        return f"{self.task}/{self.domain}/{self.split}/{self.slice}/{self.trial}/{self.image_size}"

    @property
    def title(self) -> str:
        """Its name for people."""
        extra = [self.split, "" if self.slice == "all" else self.slice, f"trial {self.trial}" if self.trial else ""]
        return f"{self.task}: {self.domain}, {' '.join(word for word in extra if word)}"

    def metric(self, name: str) -> float | None:
        """`accuracy` or `balanced_accuracy`."""
        return self.balanced_accuracy if name == "balanced_accuracy" else self.accuracy


class ClassLine(Record):
    """How the images of one class were classified."""

    name: str
    images: int
    correct: int
    recall: float | None
    margin: float | None
    mistaken: str | None
    """The class that they were most often taken for, wrongly."""
    times: int


class Mistake(Record):
    """One class taken for another."""

    true: str
    taken: str
    count: int
    of: int


def cells(stored: Iterable[StoredEvaluation]) -> tuple[Cell, ...]:
    """A version's counts, those on held-out images first."""
    parts: dict[tuple[str, str, str, str, int, int], list[StoredEvaluation]] = {}
    for one in stored:
        cell = one.evaluation.cell
        key = (one.task_name, cell.domain, cell.split, cell.slice, one.trial, one.image_size)
        parts.setdefault(key, []).append(one)
    summed = [_cell(same) for same in parts.values()]
    return tuple(sorted(summed, key=lambda one: (one.task, _ORDER.get(one.split, 9), one.domain, one.slice, one.key)))


def class_lines(cell: Cell, classes: Sequence[str]) -> list[ClassLine]:
    """A line for each class, in the task's order."""
    most: dict[int, tuple[int, int]] = {}
    for true, taken, count in entries(cell.confusion):
        if true != taken < len(classes) and count > most.get(true, (0, 0))[1]:
            most[true] = taken, count
    return [
        ClassLine(
            name=classes[place],
            images=images,
            correct=correct,
            recall=correct / images if images else None,
            margin=margin(correct, images) if images else None,
            mistaken=classes[most[place][0]] if place in most else None,
            times=most[place][1] if place in most else 0,
        )
        for place, (correct, images) in enumerate(by_class(cell.confusion))
    ]


def mistakes(cell: Cell, classes: Sequence[str], most: int) -> list[Mistake]:
    """The most frequent confusions."""
    images = [of for _, of in by_class(cell.confusion)]
    found = [
        Mistake(
            true=classes[true], taken=classes[taken] if taken < len(classes) else NOT_TOLD, count=count, of=images[true]
        )
        for true, taken, count in entries(cell.confusion)
        if true != taken
    ]
    return sorted(found, key=lambda one: (-one.count, one.true, one.taken))[:most]


def heat(count: int, row: Sequence[int]) -> int:
    """How strong a field of the matrix is coloured: its tenths of the row, rounded up; 0 for nothing."""
    total = sum(row)
    return -(-10 * count // total) if total else 0


def _cell(same: Sequence[StoredEvaluation]) -> Cell:
    first = same[0]
    confusion = add([one.evaluation.confusion for one in same])
    total = Evaluation(cell=first.evaluation.cell, confusion=confusion)
    return Cell(
        task=first.task_name,
        domain=total.cell.domain,
        split=total.cell.split,
        slice=total.cell.slice,
        trial=first.trial,
        image_size=first.image_size,
        holdings=len(same),
        images=total.count,
        accuracy=total.accuracy if total.count else None,
        margin=margin(total.correct, total.count) if total.count else None,
        balanced_accuracy=total.balanced_accuracy if total.count else None,
        confusion=confusion,
    )
