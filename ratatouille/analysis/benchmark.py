"""Results of a benchmark: every recipe over trials and held-out domains, paired differences, and published results.

A round's score is its table's (`report`). Within a trial, scores are averaged over the rounds that hold out different
domains, as published tables are; over trials there are intervals. Differences are paired trial by trial, because runs
of one number share seed, split and hyper-parameters in all recipes (docs/method.md §7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import mean

from ratatouille.analysis.intervals import TrialInterval, trial_interval
from ratatouille.analysis.report import Report, ReportRow
from ratatouille.recipes.columns import STARTS
from ratatouille.recipes.recipe import recipe_named
from ratatouille.record import Record

BASELINE = "vanilla"
FAVOURITE = "ratatouille"
DATA_SETS = ("pacs", "vlcs", "office-home", "terra-incognita", "domain-net")

PUBLISHED: dict[str, tuple[float | None, ...]] = {
    "vanilla": (85.9, 78.1, 69.4, 50.4, 44.3),
    "moving_average": (87.5, 78.2, 70.6, 50.3, 46.0),
    "swad": (88.1, 79.1, 70.6, 50.0, 46.5),
    "ensemble": (88.1, 78.5, 71.7, 50.8, None),
    "soup": (88.7, 78.4, 72.1, 51.4, 47.4),
    "greedy_soup": (88.0, 78.5, 71.5, 51.6, 47.7),
    "inter_training": (89.0, 77.7, 69.9, 46.7, 44.5),
    "fusing": (None, None, None, 46.7, 44.4),
    "ratatouille": (89.5, 78.5, 73.1, 51.8, 47.5),
    "greedy_ratatouille": (90.5, 78.7, 73.4, 49.2, 47.7),
}
"""Published out-of-distribution accuracy in %, ResNet-50: means over held-out domains and trials (docs/method.md §5).

Rows are ours; a row has a number for each of `DATA_SETS` (`tasks.domainbed`), None where none was published. Fusing is
left out where its row equals that of greedy soups on three data sets, which looks like a slip (docs/method.md §6.8).
"""


def published(recipe: str, data_set: str) -> float | None:
    """The published number of a recipe on a data set, in %; None where there is none."""
    if recipe not in PUBLISHED or data_set not in DATA_SETS:
        return None
    return PUBLISHED[recipe][DATA_SETS.index(data_set)]


class BenchmarkRound(Record):
    """One round of a benchmark: a setting (`strict` or `lenient`, or empty where there is only one) and a trial."""

    target: str
    setting: str
    trial: int
    report: Report


class BenchmarkLine(Record):
    """One recipe in one setting, over all trials; shares of 1."""

    recipe: str
    setting: str
    runs: int
    """Trainings that the recipe asks for in one round."""
    validation: TrialInterval | None
    held_out: dict[str, TrialInterval]
    """By slice: `all`, and `seen` and `new` where they were counted."""
    mean_run: TrialInterval | None
    """The mean single run."""
    trials: tuple[float, ...]
    """Held-out score of each trial."""


class PairedDifference(Record):
    """Held-out score of one recipe minus that of another one, paired by trial."""

    first: str
    second: str
    difference: TrialInterval
    wins: int
    """Trials in which the first is ahead."""

    @property
    def sentence(self) -> str:
        """What it says."""
        found = self.difference
        ahead, behind = (self.first, self.second) if found.mean >= 0 else (self.second, self.first)
        clause = f"{ahead} is ahead of {behind} by {100 * abs(found.mean):.1f} points"
        if found.low is None or found.high is None:
            return f"{clause} in one trial, which says nothing about others."
        bounds = sorted((abs(found.low), abs(found.high))) if found.sure else sorted((found.low, found.high))
        if not found.sure and found.mean < 0:
            bounds = [-found.high, -found.low]
        sure = "more than chance" if found.sure else "not established"
        return f"{clause} (95 % interval {100 * bounds[0]:+.1f} to {100 * bounds[1]:+.1f}, {found.n} trials): {sure}."


class Summary(Record):
    """A benchmark of one target task."""

    name: str
    target: str
    metric: str
    held_out: tuple[tuple[str, ...], ...]
    lines: tuple[BenchmarkLine, ...]
    differences: tuple[PairedDifference, ...]
    trials: int


def summarise(name: str, cells: Sequence[BenchmarkRound]) -> list[Summary]:
    """A summary for each target of which a round is complete."""
    targets = dict.fromkeys(cell.target for cell in cells)
    return [_summary(name, target, [cell for cell in cells if cell.target == target]) for target in targets]


def _summary(name: str, target: str, cells: Sequence[BenchmarkRound]) -> Summary:
    """Lines and differences from the rounds that are complete; a setting counts the trials that have all its rounds."""
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    tables = {setting: _by_trial([cell for cell in cells if cell.setting == setting]) for setting in settings}
    lines: dict[str, BenchmarkLine] = {}
    scores: dict[str, dict[int, Fraction]] = {}
    for setting, trials in tables.items():
        for recipe in _recipes(trials):
            own = setting if _uses_auxiliaries(recipe) else ""
            line, by_trial = _line(recipe, own, trials)
            if line is not None:
                lines.setdefault(named(recipe, own), line)
                scores.setdefault(named(recipe, own), by_trial)
    first = cells[0].report if cells else None
    return Summary(
        name=name,
        target=target,
        metric=first.metric if first else "accuracy",
        held_out=tuple(dict.fromkeys(cell.report.held_out for cell in cells)),
        lines=tuple(lines.values()),
        differences=paired_differences(lines, scores),
        trials=max((len(trials) for trials in tables.values()), default=0),
    )


def named(recipe: str, setting: str) -> str:
    """How a recipe in a setting is called in tables."""
    return f"{recipe} {setting}".strip()


def _by_trial(cells: Sequence[BenchmarkRound]) -> dict[int, list[Report]]:
    trials: dict[int, list[Report]] = {}
    for cell in cells:
        trials.setdefault(cell.trial, []).append(cell.report)
    most = max(map(len, trials.values()), default=0)
    return {trial: reports for trial, reports in sorted(trials.items()) if len(reports) == most}


def _recipes(trials: Mapping[int, Sequence[Report]]) -> list[str]:
    return list(dict.fromkeys(row.recipe for reports in trials.values() for report in reports for row in report.rows))


def _line(
    recipe: str, setting: str, trials: Mapping[int, Sequence[Report]]
) -> tuple[BenchmarkLine | None, dict[int, Fraction]]:
    rows = {trial: [_row(report, recipe) for report in reports] for trial, reports in trials.items()}
    complete = {trial: found for trial, found in rows.items() if all(row is not None and row.held_out for row in found)}
    known: dict[int, list[ReportRow]] = {trial: [row for row in found if row] for trial, found in complete.items()}
    if not known:
        return None, {}
    first = next(iter(known.values()))[0]
    by_trial = {trial: mean(row.held_out["all"].share for row in found) for trial, found in known.items()}
    validation = [
        mean(row.validation.share for row in found if row.validation)
        for found in known.values()
        if all(row.validation for row in found)
    ]
    single = [
        mean(row.mean_run for row in found if row.mean_run is not None)
        for found in known.values()
        if all(row.mean_run is not None for row in found)
    ]
    line = BenchmarkLine(
        recipe=recipe,
        setting=setting,
        runs=first.wanted,
        validation=trial_interval(validation) if validation else None,
        held_out={
            name: trial_interval([mean(row.held_out[name].share for row in found) for found in known.values()])
            for name in first.held_out
            if all(name in row.held_out for found in known.values() for row in found)
        },
        mean_run=trial_interval(single) if single else None,
        trials=tuple(map(float, by_trial.values())),
    )
    return line, by_trial


def _row(report: Report, recipe: str) -> ReportRow | None:
    return next((row for row in report.rows if row.recipe == recipe), None)


def _uses_auxiliaries(recipe: str) -> bool:
    """Whether settings differ for a recipe: they say what auxiliary tasks are trained on."""
    return STARTS[recipe_named(recipe).starts].auxiliaries


def paired_differences(
    lines: Mapping[str, BenchmarkLine], scores: Mapping[str, Mapping[int, Fraction]]
) -> tuple[PairedDifference, ...]:
    """Every recipe against the baseline, and the favourite against the others of its setting and its own other ones."""
    pairs = [(label, BASELINE) for label in lines if BASELINE in lines and label != BASELINE]
    for label, line in lines.items():
        if line.recipe == FAVOURITE:
            pairs += [(label, other) for other, one in lines.items() if one.setting in ("", line.setting)]
            pairs += [(label, other) for other, one in lines.items() if one.recipe == FAVOURITE]
    found: dict[frozenset[str], PairedDifference] = {}
    for first, second in pairs:
        trials = sorted(scores[first].keys() & scores[second].keys())
        if first != second and trials and frozenset((first, second)) not in found:
            values = [scores[first][trial] - scores[second][trial] for trial in trials]
            wins = sum(value > 0 for value in values)
            found[frozenset((first, second))] = PairedDifference(
                first=first, second=second, difference=trial_interval(values), wins=wins
            )
    return tuple(found.values())
