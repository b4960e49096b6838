"""Scores of a version for people: its counts summed over holdings, with intervals, by cell and by class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from ratatouille.exchange.confusion import Confusion, add, by_class, entries
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import margin
from ratatouille.record import Name, Record
from registry.records import StoredEvaluation

_BARS = "▁▂▃▄▅▆▇█"
NOT_TOLD = "other classes"
"""What a node does not tell apart: mistakes that too few images share."""
_ORDER = {"test": 0, "all": 1, "validation": 2, "train": 3}
"""What was held out comes first: it says more than what was trained or chosen on."""


class ScoreLine(Record):
    """How a version does on one cell; counts are summed over the holdings that have it."""

    task: Name
    domain: Name
    split: str
    slice: str
    trial: int
    image_size: int
    holdings: int
    images: int
    accuracy: float | None
    """None where there is no image."""
    margin: float | None
    """Half-width of the 95 % interval of the accuracy over images (Agresti-Coull)."""
    balanced_accuracy: float | None
    self_reported: Annotated[bool, Field(exclude_if=lambda marked: not marked)] = False
    """Whether all these counts come from the member who made the version."""

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


class ScoredCell(ScoreLine):
    """A line with the counts that it is made of."""

    confusion: Confusion


class Recall(Record):
    """How many images of a class a domain has, and which share is recognised (None of none)."""

    images: int
    recall: float | None
    margin: float | None
    """Half-width of its 95 % interval over images."""


class ClassLine(Record):
    """How one class is recognised, by domain."""

    name: str
    recall: dict[str, Recall]


class ClassLines(Record):
    """How the classes of a task are recognised on one split and slice."""

    task: Name
    split: str
    slice: str
    trial: int
    image_size: int
    classes: tuple[ClassLine, ...]


class ClassRow(Record):
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


def score_lines(stored: Iterable[StoredEvaluation]) -> list[ScoreLine]:
    """A line for each cell, in the order of their names."""
    return [ScoreLine(**one.model_dump(exclude={"confusion"})) for one in _summed(stored)]


def scored_cells(stored: Iterable[StoredEvaluation]) -> tuple[ScoredCell, ...]:
    """A version's counts by cell, those on held-out images first."""
    found = _summed(stored)
    return tuple(sorted(found, key=lambda one: (one.task, _ORDER.get(one.split, 9), one.domain, one.slice, one.key)))


def _summed(stored: Iterable[StoredEvaluation]) -> list[ScoredCell]:
    """The cells in the order of their names, each summed over the holdings that have it."""
    parts: dict[tuple[str, str, str, str, int, int], list[Evaluation]] = {}
    others = set[tuple[str, str, str, str, int, int]]()
    for one in stored:
        cell = one.evaluation.cell
        key = (one.task_name, cell.domain, cell.split, cell.slice, one.trial, one.image_size)
        parts.setdefault(key, []).append(one.evaluation)
        if not one.self_reported:
            others.add(key)
    found = []
    for where, same in sorted(parts.items(), key=lambda part: part[0]):
        task, domain, split, slice_, trial, image_size = where
        total = Evaluation(cell=same[0].cell, confusion=add([one.confusion for one in same]))
        found.append(
            ScoredCell(
                task=task,
                domain=domain,
                split=split,
                slice=slice_,
                trial=trial,
                image_size=image_size,
                holdings=len(same),
                images=total.count,
                accuracy=total.accuracy if total.count else None,
                margin=margin(total.correct, total.count) if total.count else None,
                balanced_accuracy=total.balanced_accuracy if total.count else None,
                confusion=total.confusion,
                self_reported=where not in others,
            )
        )
    return found


def class_lines(stored: Iterable[StoredEvaluation], classes: Mapping[str, Sequence[str]]) -> list[ClassLines]:
    """How each class is recognised on the domains of each task, split and slice, holdings summed.

    Args:
        stored: a version's evaluations.
        classes: the classes of each task, in the order of its matrices.
    """
    groups: dict[tuple[str, str, str, int, int], dict[str, list[Confusion]]] = defaultdict(lambda: defaultdict(list))
    for one in stored:
        cell = one.evaluation.cell
        group = (one.task_name, cell.split, cell.slice, one.trial, one.image_size)
        groups[group][cell.domain].append(one.evaluation.confusion)
    found = []
    for (task, split, slice_, trial, image_size), domains in sorted(groups.items()):
        counts = {domain: by_class(add(matrices)) for domain, matrices in sorted(domains.items())}
        lines = tuple(
            ClassLine(name=name, recall={domain: _recall(*column[place]) for domain, column in counts.items()})
            for place, name in enumerate(classes[task])
        )
        found.append(
            ClassLines(task=task, split=split, slice=slice_, trial=trial, image_size=image_size, classes=lines)
        )
    return found


def class_rows(cell: ScoredCell, classes: Sequence[str]) -> list[ClassRow]:
    """A line for each class, in the task's order."""
    most: dict[int, tuple[int, int]] = {}
    for true, taken, count in entries(cell.confusion):
        if true != taken < len(classes) and count > most.get(true, (0, 0))[1]:
            most[true] = taken, count
    return [
        ClassRow(
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


def mistakes(cell: ScoredCell, classes: Sequence[str], most: int) -> list[Mistake]:
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
    """The strength of a field's colour in the matrix: its tenths of the row, rounded up; 0 for nothing."""
    total = sum(row)
    return -(-10 * count // total) if total else 0


def _recall(correct: int, images: int) -> Recall:
    return Recall(
        images=images,
        recall=correct / images if images else None,
        margin=margin(correct, images) if images else None,
    )


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Values as bars between their smallest and largest; more than `width` are thinned out, the last one is kept."""
    if not values:
        return ""
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    if low == high:
        return _BARS[len(_BARS) // 2] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)
