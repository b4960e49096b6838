"""Auxiliary tasks: accuracy against the number of starts at a fixed number of runs (docs/method.md §4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from statistics import mean, stdev

from ratatouille.analysis.intervals import Interval, combination, counts_of, joints
from ratatouille.analysis.report import measured
from ratatouille.analysis.table import Column, Table, points
from ratatouille.recipes.counting import SideCounts
from ratatouille.recipes.outcome import exact_score
from ratatouille.recipes.studies import AuxiliariesStudy
from ratatouille.record import Record
from ratatouille.wording import number_of


class StartsRow(Record):
    """Averages of runs over this many starts, the foundation among them: means over draws of auxiliary tasks."""

    starts: int
    draws: int
    held_out: float | None
    validation: float | None
    spread: float | None
    """Standard deviation of held-out scores over draws; None for one draw."""
    margin: float | None
    """Half of the 95 % interval over images of one of these averages."""
    mean_run: float | None
    """Mean held-out score of the single runs that are averaged."""
    ahead: Interval | None
    """Held-out accuracy, less that of runs from the foundation alone, with its 95 % interval over images."""


class Auxiliaries(Record):
    """The result of the study of auxiliary tasks."""

    sentence: str
    runs: int
    """M, the same for all."""
    rows: tuple[StartsRow, ...]


def auxiliaries(asked: AuxiliariesStudy, metric: str, runs: int) -> Auxiliaries:
    """Measure what nodes counted; `ahead` is plain accuracy, whatever the metric, since that is what pairs count."""
    groups: dict[int, list[int]] = {}
    for place, number in enumerate(asked.starts):
        groups.setdefault(number, []).append(place)
    rows = tuple(_row(asked, metric, number, places, groups[1]) for number, places in sorted(groups.items()))
    return Auxiliaries(sentence=_sentence(rows, runs), runs=runs, rows=rows)


def _row(asked: AuxiliariesStudy, metric: str, number: int, places: Sequence[int], first: Sequence[int]) -> StartsRow:
    means = asked.averages
    scores = _scores(means.held_out, places, metric)
    validation = _scores(means.validation, places, metric)
    margin = measured(counts_of(means.held_out, places[0]), metric)
    singles = [
        share
        for place in places
        for member in means.means[place].members
        if (share := exact_score(asked.runs[member].held_out or (), metric)) is not None
    ]
    return StartsRow(
        starts=number,
        draws=len(places),
        held_out=float(mean(scores)) if scores else None,
        validation=float(mean(validation)) if validation else None,
        spread=stdev(map(float, scores)) if len(scores) > 1 else None,
        margin=margin.margin if margin else None,
        mean_run=float(mean(singles)) if singles else None,
        ahead=_ahead(means.held_out, places, first, len(asked.starts)) if number > 1 else None,
    )


def _ahead(found: SideCounts, places: Sequence[int], first: Sequence[int], networks: int) -> Interval | None:
    """The mean over draws, less the mean over draws of one start; the same images, so noise they share cancels."""
    domains = joints(found)
    if not domains:
        return None
    coefficients = [0.0] * networks
    for some, sign in ((places, 1.0), (first, -1.0)):
        for place in some:
            coefficients[place] += sign / len(some)
    return combination(domains, coefficients)


def _scores(found: SideCounts, places: Sequence[int], metric: str) -> list[Fraction]:
    shares = [exact_score(counts_of(found, place), metric) for place in places]
    return [share for share in shares if share is not None]


def table(found: Auxiliaries) -> Table:
    """A row for each number of starts."""
    columns = (
        Column(name="starts", unit="number"),
        Column(name="draws", unit="number"),
        Column(name="held out", unit="percent"),
        Column(name="spread", unit="percent"),
        Column(name="±", unit="percent"),
        Column(name="mean run", unit="percent"),
        Column(name="ahead of one start", unit="points"),
        Column(name="from", unit="points"),
        Column(name="to", unit="points"),
        Column(name="validation", unit="percent"),
    )
    rows = tuple(
        (
            *(one.starts, one.draws, one.held_out, one.spread, one.margin, one.mean_run),
            *((one.ahead.value, one.ahead.low, one.ahead.high) if one.ahead else (None, None, None)),
            one.validation,
        )
        for one in found.rows
    )
    return Table(columns=columns, rows=rows)


def _sentence(rows: Sequence[StartsRow], runs: int) -> str:
    if len(rows) < 2:
        return "The round has no auxiliary tasks, so there is one start only and nothing to compare."
    if runs < 2:
        return "One run has one start: more runs are needed to spread them over starts."
    first, last = rows[0], rows[-1]
    if first.held_out is None or last.held_out is None or last.ahead is None:
        return "No held-out image was counted, so the numbers of starts cannot be compared."
    ahead, reach = last.ahead, min(last.starts, runs)
    between = f"95 % {points(ahead.low)} to {points(ahead.high)} over images"
    text = (
        f"An average of {number_of(runs, 'run')} from {number_of(reach, 'start')} scores {100 * last.held_out:.1f} % "
        f"held out, from the foundation alone {100 * first.held_out:.1f} %: {100 * ahead.value:+.1f} points ({between})"
    )
    if ahead.low > 0:
        text += ", so more starts help"
    elif ahead.high < 0:
        text += ", so more starts hurt, against the paper"
    elif ahead.low < ahead.high:
        text += ", which this many images cannot tell from chance"
    best = max(rows, key=lambda row: row.held_out or 0.0)
    return f"{text}. The highest score has {number_of(best.starts, 'start')} ({100 * (best.held_out or 0.0):.1f} %)."
