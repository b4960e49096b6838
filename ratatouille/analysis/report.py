"""The table of a round: each recipe's final version beside the mean and the best of the runs that it is made of.

Every score comes with the half-width of its 95 % interval over images (Agresti-Coull), and the spread over runs; the
verdict says which recipe is ahead and whether that is more than noise. Nothing is left out because it looks bad.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import stdev
from typing import Annotated

from pydantic import Field

from ratatouille.analysis.admission import AdmissionReport
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.statistics import METRICS, mean_of, mean_score, nearest_float
from ratatouille.recipes.outcome import Candidate, Outcome, by_domain, exact_score, ranked, score
from ratatouille.recipes.round import Round
from ratatouille.record import Digest, Name, Record


class Score(Record):
    """A share of 1 with the half-width of its 95 % interval over `images` images."""

    value: float
    margin: float
    images: int
    fraction: Annotated[str, Field(pattern=r"^(\d+(/\d+)?)?$")] = ""
    """The share exactly, as `37/78`: what scores are compared by. Empty in reports of earlier releases."""

    @property
    def share(self) -> Fraction:
        """The share exactly."""
        return Fraction(self.fraction) if self.fraction else Fraction(self.value)


class ReportRow(Record):
    """One recipe of a round."""

    recipe: Name
    version: Digest | None
    featurizer: Digest | None
    head: Digest | None
    runs: int
    wanted: int
    untrained: int = 0
    """Of the runs, those that kept step 0: their weights are those that they started from."""
    trials: int = 1
    """Trials whose runs were pooled in one average (the paper's †)."""
    validation: Score | None
    held_out: dict[str, Score]
    """By slice: `all`, and `seen` and `new` where the round asked for them."""
    mean_run: float | None
    """Mean held-out score of the single runs."""
    run_spread: float | None
    """Standard deviation of the runs' held-out scores; None for fewer than two runs."""
    best_run: float | None
    """Held-out score of the run that validation would choose."""


class Report(Record):
    """The result of a round."""

    round: str
    name: Name
    target: Name
    held_out: tuple[Name, ...]
    metric: str
    rows: tuple[ReportRow, ...]
    verdict: str
    starts: tuple[Name, ...] = ()
    """Where runs of recipes that use auxiliary tasks start, in turn, the foundation first; empty where none do."""
    shared: int = 0
    """How often a recipe met a training that another one had asked for; it was done once."""
    lacking: tuple[str, ...] = ()
    """Answers that the round goes without, since the members who hold the data have closed them."""
    gaps: tuple[str, ...] = ()
    """What the data lacks: domains of holdings that are too small to be trained on, classes that no run can learn."""
    note: str = ""
    admission: Annotated[AdmissionReport | None, Field(exclude_if=lambda found: found is None)] = None
    """Which runs were left out, and whose counts choose; None in reports of earlier releases."""


def report(
    round: Round,
    outcomes: Sequence[Outcome],
    note: str = "",
    shared: int = 0,
    lacking: Sequence[str] = (),
    admission: AdmissionReport | None = None,
) -> Report:
    """The table of a round from its plan's outcomes; recipes without a final version have empty cells."""
    rows = tuple(_row(round, outcome) for outcome in outcomes)
    return Report(
        round=round.id,
        name=round.name,
        target=round.target,
        held_out=round.held_out,
        metric=round.metric,
        rows=rows,
        verdict=verdict(rows),
        starts=("foundation", *(one.name for one in round.pool)) if round.pool else (),
        shared=shared,
        lacking=tuple(lacking),
        gaps=round.gaps,
        note=note,
        admission=admission,
    )


def measured(evaluations: Sequence[Evaluation] | None, metric: str, slice_: str = "all") -> Score | None:
    """Score and margin of some counts; None where nothing was counted."""
    domains = by_domain(evaluations or (), slice_)
    if not domains:
        return None
    found = mean_of([METRICS[metric](counts.confusion) for counts in domains])
    return Score(value=found.value, fraction=str(found.share), margin=found.margin, images=found.images)


def verdict(rows: Sequence[ReportRow]) -> str:
    """One sentence: which recipe is ahead on the held-out domains, and whether that is more than noise."""
    scored = sorted(
        ((row.held_out["all"], row.recipe) for row in rows if "all" in row.held_out), key=lambda pair: -pair[0].share
    )
    if not scored and any(row.version for row in rows):
        return "No held-out image was counted, so the recipes cannot be compared."
    if len(scored) < 2:
        return "There is nothing to compare yet."
    (first, winner), (second, runner_up) = scored[0], scored[1]
    gap = float(first.share - second.share)
    if gap == 0:
        return f"{winner} and {runner_up} are level on the held-out images."
    noise = math.hypot(first.margin, second.margin)
    sure = "which is more than the noise" if gap > noise else "which this many images cannot tell from chance"
    return (
        f"{winner} is ahead of {runner_up} by {100 * gap:.1f} points on {first.images} held-out images, "
        f"{sure} (± {100 * noise:.1f}); one round of one seed is an anecdote, not a benchmark."
    )


def _row(round: Round, outcome: Outcome) -> ReportRow:
    final, metric = outcome.final, round.metric
    shares = [exact_score(run.held_out, metric) for run in outcome.members if run.held_out]
    singles = [share for share in shares if share is not None]
    held_out = {} if final is None else _slices(final, round)
    known = [run for run in outcome.members if exact_score(run.validation or (), metric) is not None]
    chosen = next(iter(ranked(known, metric, round.counting == "independent")), None)
    return ReportRow(
        recipe=outcome.recipe,
        version=final.version if final else None,
        featurizer=final.featurizer if final else None,
        head=final.head if final else None,
        runs=len(outcome.members),
        wanted=outcome.wanted,
        untrained=sum(run.untrained for run in outcome.members),
        trials=max(1, outcome.wanted // round.protocol.runs),
        validation=measured(final.validation, metric) if final else None,
        held_out=held_out,
        mean_run=nearest_float(mean_score(singles)) if singles else None,
        run_spread=stdev(map(float, singles)) if len(singles) > 1 else None,
        best_run=score(chosen.held_out, metric) if chosen and chosen.held_out else None,
    )


def _slices(final: Candidate, round: Round) -> dict[str, Score]:
    found = {name: measured(final.held_out, round.metric, name) for name in ("all", *round.slices)}
    return {name: value for name, value in found.items() if value is not None}
