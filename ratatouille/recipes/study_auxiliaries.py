"""The study of the number of auxiliary tasks: averages of M runs over more and more starts (docs/method.md §4.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ratatouille.recipes.counting import DRAWS, LABEL, Average, Averages, Member, averages, start_of
from ratatouille.recipes.hyperparameters import seed_hash
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.questions import Training, Weights
from ratatouille.recipes.walk import Walk


@dataclass(frozen=True)
class Auxiliaries:
    """Averages of equally many runs over more and more starts (figure 6)."""

    members: tuple[Member, ...]
    runs: tuple[Candidate, ...]
    """The members with their own counts."""
    averages: Averages
    """With all pairs, so that a difference of two means has an interval."""
    starts: tuple[int, ...]
    """For each mean, how many different starts its members may have; the foundation counts as one."""


def auxiliaries(walk: Walk) -> Auxiliaries | None:
    """Figure 6: M runs over 1, 2 … starts; run s takes start s mod k of the k that are drawn."""
    numbers = range(walk.round.protocol.runs)
    pool = walk.round.pool
    drawn = _subsets(len(pool), walk.round.trial)
    wanted = sorted({(subset[number % len(subset)], number) for subset in drawn for number in numbers})
    runs = [_from(walk, start, number) for start, number in wanted]
    if any(run is None for run in runs):
        return None
    known = [run for run in runs if run is not None]
    members = tuple(Member(pool[start - 1].name if start else "foundation", number) for start, number in wanted)
    places = {member: place for place, member in enumerate(wanted)}
    means = [Average(tuple(places[subset[number % len(subset)], number] for number in numbers)) for subset in drawn]
    averaged = averages(walk, known, means, "means over more starts", pairs=True)
    if averaged is None:
        return None
    return Auxiliaries(members, tuple(known), averaged, tuple(len(subset) for subset in drawn))


def _subsets(size: int, trial: int) -> list[tuple[int, ...]]:
    """For each number of starts, draws of that many out of the foundation (0, always in) and a pool of `size`."""
    subsets = []
    for count in range(size + 1):
        generator = np.random.RandomState(seed_hash("starts", count, trial))
        drawn = {tuple(sorted(map(int, generator.permutation(size)[:count] + 1))) for _ in range(DRAWS)}
        subsets += [(0, *draw) for draw in sorted(drawn)]
    return subsets


def _from(walk: Walk, start: int, number: int) -> Candidate | None:
    """Target run `number` from a start: 0 is the foundation, i is member i − 1 of the pool."""
    trial = walk.round.trial
    head = walk.shared_head(trial)[1]
    pool = walk.round.pool
    name = pool[start - 1].name if start else "foundation"
    begun = start_of(walk, name, number)
    if begun is None or head is None or head.head is None or head.version is None:
        return None
    kept = walk.keep("best")
    label = f"run {number + 1} from {name}"[: LABEL - len("evaluate ")]
    work = Training(walk.round.task, walk.holding(number), walk.round.target, number, trial, kept, label, "study")
    work_id, fact = walk.fine_tune(work, Weights(begun, head.head, head.version))
    return walk.candidate(work_id, fact, label, trial, walk.holding(number))
