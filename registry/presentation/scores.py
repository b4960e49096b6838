"""From a version's confusion matrices to the lines that people read: shares with their margins, and a drawn curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from ratatouille.exchange.confusion import Confusion, add, by_class
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import margin
from ratatouille.record import Name, Record
from registry.records import StoredEvaluation

_BARS = "▁▂▃▄▅▆▇█"


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


def score_lines(stored: Iterable[StoredEvaluation]) -> list[ScoreLine]:
    """A line for each cell, in the order of their names."""
    cells: dict[tuple[str, str, str, str, int, int], list[Evaluation]] = {}
    for one in stored:
        cell = one.evaluation.cell
        key = (one.task_name, cell.domain, cell.split, cell.slice, one.trial, one.image_size)
        cells.setdefault(key, []).append(one.evaluation)
    return [_line(key, parts) for key, parts in sorted(cells.items())]


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


def _line(key: tuple[str, str, str, str, int, int], parts: Sequence[Evaluation]) -> ScoreLine:
    task, domain, split, slice_, trial, image_size = key
    total = Evaluation(cell=parts[0].cell, confusion=add([part.confusion for part in parts]))
    return ScoreLine(
        task=task,
        domain=domain,
        split=split,
        slice=slice_,
        trial=trial,
        image_size=image_size,
        holdings=len(parts),
        images=total.count,
        accuracy=total.accuracy if total.count else None,
        margin=margin(total.correct, total.count) if total.count else None,
        balanced_accuracy=total.balanced_accuracy if total.count else None,
    )
