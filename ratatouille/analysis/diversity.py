"""Diversity: how differently runs err on the same images, and what averaging them gains (docs/method.md §4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import mean, stdev

import numpy as np

from ratatouille.analysis import intervals
from ratatouille.analysis.intervals import Interval, counts_of
from ratatouille.analysis.pairs import SAME, KindMean, PairOfRuns, mean_of, means_of_kinds, measured_pairs
from ratatouille.analysis.report import measured
from ratatouille.analysis.table import Cell, Column, Table, points
from ratatouille.exchange.statistics import Z, mean_score
from ratatouille.recipes.counting import Averages, SideCounts
from ratatouille.recipes.outcome import exact_score
from ratatouille.recipes.study_diversity import DiversityStudy
from ratatouille.record import Record
from ratatouille.wording import number_of


class AtStep(Record):
    """The kinds of pairs at a step of their runs."""

    step: int
    means: tuple[KindMean, ...]


class Mixed(Record):
    """Averages of `size` runs of which `foreign` started from auxiliary tasks: means over draws."""

    size: int
    foreign: int
    draws: int
    held_out: float | None
    spread: float | None
    """Standard deviation over draws; None for one."""
    margin: float | None
    """Half of the 95 % interval over images of one of these averages."""
    validation: float | None


class Diversity(Record):
    """The result of the study of diversity."""

    sentence: str
    runs: tuple[str, ...]
    pairs: tuple[PairOfRuns, ...]
    means: tuple[KindMean, ...]
    difference: Interval | None
    """q-diversity of pairs from different starts less that of pairs with the same, on held-out images."""
    gain: Interval | None
    """Correlation of q-diversity and gain over pairs (figure 3c)."""
    slope: tuple[float, float] | None
    """Gain = first + second · q-diversity, by least squares."""
    steps: tuple[AtStep, ...]
    mixed: tuple[Mixed, ...]


def diversity(asked: DiversityStudy, metric: str) -> Diversity:
    """Measure what nodes counted."""
    pool = asked.pool
    singles = [_score(pool.held_out, place, metric) for place in range(len(pool.members))]
    pairs = measured_pairs(pool, _gains(asked.pairs, singles, metric))
    known = [(one.held_out.q_diversity, one.gain) for one in pairs]
    both = [(q, gain) for q, gain in known if q is not None and gain is not None]
    of = [
        (one.first, one.second)
        for one, (q, gain) in zip(pairs, known, strict=True)
        if q is not None and gain is not None
    ]
    x, y = [q for q, _ in both], [gain for _, gain in both]
    found = Diversity(
        sentence="",
        runs=tuple(f"run {member.number + 1} from {member.start}" for member in pool.members),
        pairs=pairs,
        means=means_of_kinds(pairs),
        difference=_difference(pairs),
        gain=intervals.correlation_over_pairs(of, x, y),
        slope=None if intervals.correlation(x, y) is None else _fitted(x, y),
        steps=tuple(AtStep(step=step, means=means_of_kinds(measured_pairs(at, {}))) for step, at in asked.steps),
        mixed=_mixed(asked, metric),
    )
    return found.model_copy(update={"sentence": _sentence(found)})


def _difference(pairs: Sequence[PairOfRuns]) -> Interval | None:
    """Its interval is from leaving out one run at a time, since pairs share runs."""
    known = [(pair, pair.held_out.q_diversity) for pair in pairs]
    kept = [(pair, q) for pair, q in known if q is not None]

    def statistic(places: Sequence[int]) -> float | None:
        same = [kept[place][1] for place in places if kept[place][0].kind in SAME]
        other = [kept[place][1] for place in places if kept[place][0].kind not in SAME]
        return mean(other) - mean(same) if same and other else None

    value = statistic(range(len(kept)))
    deviation = intervals.deviation_over_runs([(pair.first, pair.second) for pair, _ in kept], statistic)
    if value is None or deviation is None:
        return None
    return Interval(value=value, low=value - Z * deviation, high=value + Z * deviation)


def _gains(found: Averages, singles: Sequence[Fraction | None], metric: str) -> dict[tuple[int, int], float]:
    gains = {}
    for place, average in enumerate(found.means):
        first, second = average.members
        together, a, b = _score(found.held_out, place, metric), singles[first], singles[second]
        if together is not None and a is not None and b is not None:
            gains[first, second] = float(together - (a + b) / 2)
    return gains


def _score(found: SideCounts, place: int, metric: str) -> Fraction | None:
    return exact_score(counts_of(found, place), metric)


def _fitted(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    slope, start = np.polyfit(x, y, 1)
    return float(start), float(slope)


def _mixed(asked: DiversityStudy, metric: str) -> tuple[Mixed, ...]:
    groups: dict[tuple[int, int], list[int]] = {}
    for place, average in enumerate(asked.mixed.means):
        foreign = sum(asked.pool.members[member].start != "foundation" for member in average.members)
        groups.setdefault((len(average.members), foreign), []).append(place)
    found = []
    for (size, foreign), places in sorted(groups.items()):
        scores = [score_ for place in places if (score_ := _score(asked.mixed.held_out, place, metric)) is not None]
        validation = mean_score(_score(asked.mixed.validation, place, metric) for place in places)
        one = measured(counts_of(asked.mixed.held_out, places[0]), metric)
        found.append(
            Mixed(
                size=size,
                foreign=foreign,
                draws=len(places),
                held_out=float(mean(scores)) if scores else None,
                spread=stdev(map(float, scores)) if len(scores) > 1 else None,
                margin=one.margin if one else None,
                validation=None if validation is None else float(validation),
            )
        )
    return tuple(found)


_COLUMNS = (
    Column(name="what"),
    Column(name="of"),
    Column(name="number", unit="number"),
    Column(name="q-diversity", unit="number"),
    Column(name="ratio error", unit="number"),
    Column(name="1 − CKA", unit="number"),
    Column(name="q-diversity, validation", unit="number"),
    Column(name="gain of averaging", unit="points"),
    Column(name="accuracy", unit="percent"),
    Column(name="spread", unit="points"),
    Column(name="accuracy, validation", unit="percent"),
)


def table(found: Diversity) -> Table:
    """Rows for kinds of pairs, for steps, and for mixed averages; then each pair."""
    rows: list[tuple[Cell, ...]] = [_row("pairs", one, found.pairs) for one in found.means]
    rows += [_row(f"pairs at step {at.step}", one, ()) for at in found.steps for one in at.means]
    for one in found.mixed:
        name = f"{one.foreign} of {one.size} from auxiliary tasks"
        rows.append(
            ("averages", name, one.draws, None, None, None, None, None, one.held_out, one.spread, one.validation)
        )
    first = len(rows)
    for pair in found.pairs:
        here, names = pair.held_out, f"{found.runs[pair.first]} and {found.runs[pair.second]}"
        measures = (here.q_diversity, here.ratio_error, here.feature_diversity, pair.validation.q_diversity)
        rows.append(("pair", names, 1, *measures, pair.gain, None, None, None))
    return Table(columns=_COLUMNS, rows=tuple(rows), first=first)


def _row(what: str, one: KindMean, pairs: Sequence[PairOfRuns]) -> tuple[Cell, ...]:
    here = one.held_out
    gain = mean_of([pair.gain for pair in pairs if pair.kind == one.kind])
    measures = (here.q_diversity, here.ratio_error, here.feature_diversity, one.validation.q_diversity)
    return (what, one.kind, one.pairs, *measures, gain, None, None, None)


def _sentence(found: Diversity) -> str:
    if not found.pairs:
        return "One run is no pair: diversity needs more runs."
    if all(pair.held_out.q_diversity is None for pair in found.pairs):
        return "No held-out image tells how these runs err: nothing is held out, or a run is right or wrong on all."
    return " ".join(filter(None, (_starts(found), _averaging(found), _mixing(found))))


def _starts(found: Diversity) -> str:
    def of(pick: Callable[[PairOfRuns], bool]) -> list[float]:
        return [q for pair in found.pairs if pick(pair) and (q := pair.held_out.q_diversity) is not None]

    same, other = of(lambda pair: pair.kind in SAME), of(lambda pair: pair.kind not in SAME)
    if not other:
        return f"All pairs have one start (q-diversity {mean(same):.3f}), so starts cannot be compared."
    if not same:
        return f"No pair shares a start (q-diversity {mean(other):.3f}), so starts cannot be compared."
    numbers = f"q-diversity {mean(other):.3f} against {mean(same):.3f} for runs of one start"
    if found.difference is None:
        return f"Runs of different starts have {numbers}; so few runs cannot tell whether that is chance."
    between = f"difference {found.difference.value:.3f}, 95 % {found.difference.low:.3f} to {found.difference.high:.3f}"
    if found.difference.low > 0:
        return f"Runs of different starts err more differently: {numbers} ({between})."
    if found.difference.high < 0:
        return f"Runs of different starts err more alike, against the paper: {numbers} ({between})."
    return f"Whether runs of different starts err more differently cannot be told: {numbers} ({between})."


def _averaging(found: Diversity) -> str:
    gains = [pair.gain for pair in found.pairs if pair.gain is not None]
    if not gains:
        return ""
    gain = f"Averaging two runs gives {100 * mean(gains):+.1f} points over their mean"
    if found.gain is None:
        return f"{gain}; so few pairs do not tell whether that goes with diversity."
    pairs, one = number_of(len(gains), "pair"), found.gain
    r = f"r = {one.value:.2f}, 95 % {one.low:.2f} to {one.high:.2f} over {pairs}"
    if found.gain.low > 0:
        return f"{gain}, and more the more differently they err ({r})."
    if found.gain.high < 0:
        return f"{gain}, and less the more differently they err, against the paper ({r})."
    return f"{gain}; whether that goes with diversity cannot be told ({r})."


def _mixing(found: Diversity) -> str:
    """Of the largest averages with several shares: which share is best, and whether that is more than noise."""
    sizes: dict[int, list[tuple[float, Mixed]]] = {}
    for one in found.mixed:
        if one.held_out is not None:
            sizes.setdefault(one.size, []).append((one.held_out, one))
    # The largest averages that were made with three shares, or with two.
    for size in sorted(sizes, key=lambda size: (len(sizes[size]) > 2, size), reverse=True):
        rows = sizes[size]
        if len(rows) < 2:
            continue
        (high, best), (low, least) = max(rows, key=lambda row: row[0]), min(rows, key=lambda row: row[1].foreign)
        if best is least:
            return f"With M = {size}, no share of auxiliary starts is ahead of {least.foreign} of {size}."
        noise = float(np.hypot(best.margin or 0.0, least.margin or 0.0))
        sure = "more than noise" if high - low > noise else "which this many images cannot tell from chance"
        return (
            f"With M = {size}, {best.foreign} of {size} auxiliary starts do best, {points(high - low)} points ahead of "
            f"{least.foreign} of {size}: {sure} (± {points(noise)})."
        )
    return ""
