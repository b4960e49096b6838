"""Facts (answers that a plan reads), candidates (versions with counts), outcomes of recipes, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol as Interface

from ratatouille.exchange import confusion
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.statistics import mean_score, nearest_float
from ratatouille.recipes.round import HoldingShare


class Fact(Interface):
    """The answer to a question, as far as a plan needs it."""

    @property
    def version(self) -> str | None: ...
    @property
    def featurizer(self) -> str | None: ...
    @property
    def head(self) -> str | None: ...
    @property
    def node(self) -> str | None: ...
    @property
    def evaluations(self) -> tuple[Evaluation, ...]: ...
    @property
    def comparison(self) -> Comparison | None: ...
    @property
    def created(self) -> float: ...
    @property
    def kept_step(self) -> int | None: ...


@dataclass(frozen=True)
class Candidate:
    """A candidate: a version of the target task or an ensemble, made or compared by a recipe, with its counts."""

    version: str | None
    featurizer: str | None
    head: str | None
    """None for an ensemble, which is no single set of weights."""
    label: str
    work_id: str
    trial: int
    validation: tuple[Evaluation, ...] | None
    """Counts on the validation splits of all training holdings; None while some are missing. Runs of several trials
    were trained on each other's validation images, so what is made of them has no counts here."""
    held_out: tuple[Evaluation, ...] | None
    untrained: bool = False
    """Whether a run kept step 0: its weights are those that it started from."""
    author: str | None = None
    """Key of the contributor who trained a run."""
    own: HoldingShare | None = None
    """The holding that a run was trained on."""
    counted_by: tuple[str, ...] = ()
    """Keys of the nodes that counted a run on validation images; empty where its receipt did, or nobody."""

    @property
    def claimed(self) -> bool:
        """Whether the counts that choose between runs are those of the run's own receipt."""
        return bool(self.validation) and self.author is not None and not self.counted_by


@dataclass(frozen=True)
class LeftOutRun:
    """A run that no average of a recipe takes in, since it was not admitted."""

    label: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of a recipe: its final version once there is one, and the runs behind it."""

    recipe: str
    final: Candidate | None
    members: tuple[Candidate, ...]
    wanted: int
    """Number of runs that the recipe asks for."""
    left_out: tuple[LeftOutRun, ...] = ()
    """Runs that are there and were not admitted."""

    @property
    def short(self) -> bool:
        """Whether runs are missing."""
        return len(self.members) < self.wanted

    @property
    def complete(self) -> bool:
        """Whether the final version exists and every count is there."""
        every = (*self.members, *([self.final] if self.final else []))
        return self.final is not None and all(c.validation is not None and c.held_out is not None for c in every)


def exact_score(evaluations: Sequence[Evaluation], metric: str, slice_: str = "all") -> Fraction | None:
    """A task's score, to compare by: counts are summed over nodes within a domain, the metric is averaged over domains.

    A domain without images is left out of the mean, as a training leaves it out of its validation; None for no image.
    """
    return mean_score(counts.exact(metric) for counts in by_domain(evaluations, slice_))


def score(evaluations: Sequence[Evaluation], metric: str, slice_: str = "all") -> float:
    """The float nearest to a task's score, to show; NaN for no image."""
    return nearest_float(exact_score(evaluations, metric, slice_))


def by_domain(evaluations: Sequence[Evaluation], slice_: str = "all") -> list[Evaluation]:
    """The counts of each domain that has images, summed over nodes."""
    domains: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        if evaluation.cell.slice == slice_ and evaluation.count:
            domains.setdefault(evaluation.cell.domain, []).append(evaluation)
    return [add(parts) for parts in domains.values()]


def ranked(runs: Sequence[Candidate], metric: str, independent: bool) -> list[Candidate]:
    """By descending validation score, of equals the lowest number first.

    Runs that others count on other domains are compared with what all runs score there: the mean over domains of the
    metric less its mean over the runs that were counted on that domain.
    """
    scores = [
        {
            counts.cell.domain: share
            for counts in by_domain(run.validation or ())
            if (share := counts.exact(metric)) is not None
        }
        for run in runs
    ]
    usual: dict[str, Fraction] = {}
    if independent:
        for domain in {domain for row in scores for domain in row}:
            usual[domain] = mean_score([row.get(domain) for row in scores]) or Fraction(0)

    def key(place: int) -> Fraction:
        found = mean_score([share - usual.get(domain, 0) for domain, share in scores[place].items()])
        return Fraction(2) if found is None else -found  # a forecast, which knows no counts, ranks by number

    return [runs[place] for place in sorted(range(len(runs)), key=key)]


def add(parts: Sequence[Evaluation]) -> Evaluation:
    """One matrix of all counts, with the first part's cell."""
    return Evaluation(cell=parts[0].cell, confusion=confusion.add([part.confusion for part in parts]))


def pooled_accuracy(evaluations: Sequence[Evaluation]) -> Fraction | None:
    """Share of all images together that are classified correctly, whatever their domain; None for no image.

    Greedy selection accepts by this, while it ranks by `score` (docs/method.md §3.4 and §6.2).
    """
    images = sum(evaluation.count for evaluation in evaluations)
    return Fraction(sum(evaluation.correct for evaluation in evaluations), images) if images else None
