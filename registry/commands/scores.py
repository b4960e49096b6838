"""From a version's confusion matrices to the lines that people read: shares with their margins, and a drawn curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ratatouille.exchange.receipt import Evaluation
from ratatouille.record import Name, Record
from registry.records import StoredEvaluation

_Z = 1.96
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


def score_lines(stored: Iterable[StoredEvaluation]) -> list[ScoreLine]:
    """A line for each cell, in the order of their names."""
    cells: dict[tuple[str, str, str, str, int, int], list[Evaluation]] = {}
    for one in stored:
        cell = one.evaluation.cell
        key = (one.task_name, cell.domain, cell.split, cell.slice, one.trial, one.image_size)
        cells.setdefault(key, []).append(one.evaluation)
    return [_line(key, parts) for key, parts in sorted(cells.items())]


def margin(correct: int, count: int) -> float:
    """Half-width of the 95 % interval of a share: z·√(p(1−p)/n) with n = count + z², p = (correct + z²/2)/n."""
    images = count + _Z**2
    share = (correct + _Z**2 / 2) / images
    return _Z * math.sqrt(share * (1 - share) / images)


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
    rows = zip(*(part.confusion for part in parts), strict=True)
    total = Evaluation(cell=parts[0].cell, confusion=tuple(tuple(map(sum, zip(*row, strict=True))) for row in rows))
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
