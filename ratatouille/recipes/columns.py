"""The entries behind the three columns of the recipe table: where runs start, what they keep, how they become one.

A start chooses by the run's number; a combination takes the members in the order of their numbers. Entries call the
methods of a walk that `Steps` lists, and the walk calls the entries. All return None while an answer is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from ratatouille.exchange.assignment import Keep, KeepBest, KeepMean, KeepValley
from ratatouille.exchange.version import Parent
from ratatouille.recipes.outcome import Candidate, Fact, ranked
from ratatouille.recipes.protocol import Protocol, fusing_weights
from ratatouille.recipes.round import Auxiliary, Given, Round, Start
from ratatouille.weights.methods import balanced_counts


class Steps(Interface):
    """The methods of a `walk.Walk` that starts and combinations call; no steps of a training."""

    round: Round

    def start(self, one: Auxiliary | Given, number: int) -> Start | None:
        """The start of target run `number` from this member of the pool."""

    def combine(self, parents: Sequence[Parent], purpose: str, **values: Any) -> tuple[str, Fact | None]:
        """The combination of versions, and its work id; `values` are its other fields."""

    def candidate(self, work_id: str, fact: Fact | None, label: str, trial: int | None) -> Candidate | None:
        """A version of the target with its counts."""

    def gains(self, kept: Sequence[Candidate], member: Candidate) -> bool | None:
        """Whether the uniform mean of the kept runs and another one is at least as accurate on validation images."""

    def ensemble(self, members: Sequence[Candidate]) -> Candidate | None:
        """The mean of the members' outputs, with its counts."""


@dataclass(frozen=True)
class Starts:
    """A row of the first column: which start run `number` of a trial takes."""

    summary: str
    choose: Callable[[Steps, int, int], Start | None]
    auxiliaries: bool
    """Whether auxiliary tasks are trained for it."""


def _auxiliary_start(walk: Steps, number: int, trial: int) -> Start | None:
    """Run s begins with start s mod (A+1), of which 0 is the foundation, and with auxiliary run s mod R of its task."""
    pool = walk.round.pool
    index = number % (len(pool) + 1)
    if index == 0:
        return walk.round.foundation
    return walk.start(pool[index - 1], number)


def _fused_start(walk: Steps, number: int, trial: int) -> Start | None:
    """A convex mix of the foundation and one run of each member of the pool, drawn per run (docs/method.md §3.7)."""
    runs = [walk.start(one, number) for one in walk.round.pool]
    starts = [walk.round.foundation, *(run for run in runs if run is not None)]
    if len(starts) <= len(runs):
        return None
    weights = fusing_weights(len(starts), walk.round.protocol.fusing_spread, number, trial)
    parents = [Parent(version=one.version, coefficient=weight) for one, weight in zip(starts, weights, strict=True)]
    if len(parents) == 1:
        return starts[0]
    _, fact = walk.combine(parents, "fusing", parts="featurizer")
    if fact is None or fact.version is None or fact.featurizer is None:
        return None
    return Start(version=fact.version, featurizer=fact.featurizer)


STARTS = {
    "pretrained": Starts("the foundation", lambda walk, number, trial: walk.round.foundation, auxiliaries=False),
    "auxiliary": Starts("one auxiliary task each, in turn with the foundation", _auxiliary_start, auxiliaries=True),
    "fused": Starts("a random mix of the foundation and all auxiliary tasks", _fused_start, auxiliaries=True),
}


@dataclass(frozen=True)
class Keeps:
    """A row of the second column: what the node returns of a run, and what is made of it afterwards."""

    summary: str
    asked: Callable[[Protocol], Keep]
    mixed_with_start: Callable[[Protocol], float] | None = None
    """The share of the run in a mix with the linear probe on the foundation; None: the run itself."""


KEEPS = {
    "best": Keeps("the checkpoint that is best on validation", lambda protocol: KeepBest()),
    "mean": Keeps(
        "the mean of the trajectory, where it is best on validation",
        lambda protocol: KeepMean(start=protocol.average_from),
    ),
    "valley": Keeps(
        "the mean over the valley of the validation loss",
        lambda protocol: KeepValley(
            converge=protocol.swad_converge, tolerance=protocol.swad_tolerance, ratio=protocol.swad_ratio
        ),
    ),
    "interpolated": Keeps(
        "a mix of the best checkpoint and the start",
        lambda protocol: KeepBest(),
        mixed_with_start=lambda protocol: protocol.wise_alpha,
    ),
}


@dataclass(frozen=True)
class Combines:
    """A row of the third column: what becomes of the members, which are in the order of their numbers."""

    summary: str
    of: Callable[[Steps, Sequence[Candidate]], Candidate | None]
    pools_trials: bool = False
    """Whether runs of several trials may be members of one version (the paper's dagger)."""


def _best_on_validation(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    best_first = _ranked(walk, members)
    return best_first[0] if best_first else None


def _ranked(walk: Steps, members: Sequence[Candidate]) -> list[Candidate] | None:
    """By descending validation score; None while a score is missing."""
    if any(member.validation is None for member in members):
        return None
    return ranked(members, walk.round.metric, walk.round.counting == "independent")


def _uniform(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    return _of_all(walk, members, [1] * len(members), "uniform", "average")


def _trimmed(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    share = walk.round.protocol.trimmed_share
    how = {"method": "trimmed_mean", "parameters": {"share": share}}
    return _of_all(walk, members, [1] * len(members), "trimmed", "trimmed mean", **how)


def _balanced(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    """Each contributor counts once. The authors are part of the combination, so they are fixed when it is planned."""
    authors = [member.author or str(member.version) for member in members]
    how = {"method": "balanced_mean", "parameters": {"authors": authors}}
    return _of_all(walk, members, balanced_counts(authors), "balanced", "balanced average", **how)


def _of_all(
    walk: Steps, members: Sequence[Candidate], counts: Sequence[int], purpose: str, label: str, **how: Any
) -> Candidate | None:
    """The combination of all members, which may be runs of several trials."""
    pairs = zip(members, counts, strict=True)
    parents = [Parent(version=str(member.version), coefficient=count) for member, count in pairs]
    work_id, fact = walk.combine(parents, purpose, **how)
    return walk.candidate(work_id, fact, label, trial=members[0].trial if walk.round.pool_trials == 1 else None)


def _greedy(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    """One pass over the runs by descending validation score: a run is kept if the mean of the kept ones and it is at
    least as accurate on the pooled validation images (docs/method.md §3.4).

    The nodes make the candidates themselves: only the chosen mean becomes a version.
    """
    best_first = _ranked(walk, members)
    if best_first is None:
        return None
    kept = [best_first[0]]
    for member in best_first[1:]:
        gains = walk.gains(kept, member)
        if gains is None:
            return None
        if gains:
            kept = [*kept, member]
    if len(kept) == 1:
        return kept[0]
    parents = [Parent(version=str(member.version)) for member in sorted(kept, key=lambda member: member.work_id)]
    work_id, fact = walk.combine(parents, "greedy")
    return walk.candidate(work_id, fact, f"average of {len(kept)}", trial=kept[0].trial)


def _logits(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    """Mean of the members' outputs; no set of weights does that, so there is no version (docs/method.md §3.5)."""
    return walk.ensemble(members)


def _only(walk: Steps, members: Sequence[Candidate]) -> Candidate | None:
    return members[0] if members else None


COMBINATIONS = {
    "only": Combines("the one run", _only),
    "best_on_validation": Combines("the run that is best on validation", _best_on_validation),
    "uniform": Combines("the uniform mean of all runs", _uniform, pools_trials=True),
    "trimmed": Combines(
        "the mean of all runs without the lowest and highest values at each weight", _trimmed, pools_trials=True
    ),
    "balanced": Combines("the mean of all runs in which each contributor counts once", _balanced, pools_trials=True),
    "greedy": Combines("the mean of those runs that help on validation, taken greedily", _greedy),
    "logits": Combines("the mean of the outputs of all runs (many networks)", _logits),
}


def kept_with(fact: Fact, head: Fact, share: float) -> list[Parent] | None:
    """(1 − share) · start + share · run, as parents of a combination (docs/method.md §3.3)."""
    if fact.version is None or head.version is None:
        return None
    return [
        Parent(version=head.version, coefficient=1 - share),
        Parent(version=fact.version, coefficient=share),
    ]
