"""The table of analyses, with the studies of selection and of auxiliary tasks: what each asks of a round's runs.

A study is a walk like a recipe: it asks through the same questions, so runs that a recipe has trained are not trained
again, and nodes that hold the data count (`compare`) and never send it (docs/method.md §4). `ratatouille.analysis`
says what the counts mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.recipes.counting import (
    DRAWS,
    LABEL,
    Average,
    Averages,
    PoolMember,
    SideCounts,
    alone,
    averages,
    both_sides,
    end_of,
    start_of,
)
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.protocol import seed_hash
from ratatouille.recipes.questions import Comparing, StartWeights, Training
from ratatouille.recipes.study_connectivity import connectivity
from ratatouille.recipes.study_diversity import diversity
from ratatouille.recipes.walk import Walk


@dataclass(frozen=True)
class SelectionStudy:
    """Every run and every final version of a round's recipes, each once, counted together on the held-out domains."""

    networks: tuple[Candidate, ...]
    held_out: SideCounts
    """With all pairs, so that a difference of two has an interval."""


def selection(walk: Walk) -> SelectionStudy | None:
    """All runs and final versions of the round's recipes, counted together on the held-out domains."""
    outcomes = walk.plan.outcomes
    if not walk.closing and any(outcome.final is None for outcome in outcomes):
        return None
    finals = [outcome.final for outcome in outcomes if outcome.final is not None]
    every = [*(member for outcome in outcomes for member in outcome.members), *finals]
    networks = {str(one.version): one for one in every if one.version is not None}
    if not networks or any(one.validation is None or one.held_out is None for one in networks.values()):
        return None
    asked = Comparing(
        tuple(alone(end_of(one)) for one in networks.values()), tuple(networks), "runs and versions", pairs=True
    )
    _, held_out = both_sides(walk, asked, validate=False)
    return None if held_out is None else SelectionStudy(tuple(networks.values()), held_out)


@dataclass(frozen=True)
class AuxiliariesStudy:
    """Averages of equally many runs over more and more starts (figure 6)."""

    members: tuple[PoolMember, ...]
    runs: tuple[Candidate, ...]
    """The members with their own counts."""
    averages: Averages
    """With all pairs, so that a difference of two means has an interval."""
    starts: tuple[int, ...]
    """For each mean, how many different starts its members may have; the foundation counts as one."""


def auxiliaries(walk: Walk) -> AuxiliariesStudy | None:
    """Figure 6: M runs over 1, 2 … starts; run s takes start s mod k of the k that are drawn."""
    numbers = range(walk.round.protocol.runs)
    pool = walk.round.pool
    drawn = _subsets(len(pool), walk.round.trial)
    wanted = sorted({(subset[number % len(subset)], number) for subset in drawn for number in numbers})
    found = {one: _from(walk, *one) for one in wanted}
    if any(run is None for run in found.values()):
        return None
    known = [run for run in found.values() if run is not None]
    out = {one for one, run in zip(wanted, known, strict=True) if walk.is_out(str(run.version))}
    drawn = [one for one in drawn if not out & {(one[number % len(one)], number) for number in numbers}]
    members = tuple(PoolMember(pool[start - 1].name if start else "foundation", number) for start, number in wanted)
    places = {member: place for place, member in enumerate(wanted)}
    means = [Average(tuple(places[subset[number % len(subset)], number] for number in numbers)) for subset in drawn]
    averaged = averages(walk, known, means, "means over more starts", pairs=True)
    if averaged is None:
        return None
    return AuxiliariesStudy(members, tuple(known), averaged, tuple(len(subset) for subset in drawn))


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
    work_id, fact = walk.fine_tune(work, StartWeights(begun, head.head, head.version))
    return walk.candidate(work_id, fact, label, trial, walk.holding(number))


@dataclass(frozen=True)
class Study:
    """A row of the table."""

    name: str
    summary: str
    recipes: tuple[str, ...]
    """Recipes whose runs it is about; they are part of its round."""
    ask: Callable[[Walk], object | None]
    """What is known, or None while an answer is missing."""


STUDIES = {
    study.name: study
    for study in (
        Study(
            "connectivity",
            "do weights stay accurate on the line between them (figure 4)",
            ("soup", "ratatouille"),
            connectivity,
        ),
        Study(
            "diversity",
            "how differently runs err, and what averaging them gains (figure 3)",
            ("soup", "ratatouille"),
            diversity,
        ),
        Study(
            "auxiliaries",
            "accuracy against the number of auxiliary tasks at a fixed number of runs (figure 6)",
            ("soup", "ratatouille"),
            auxiliaries,
        ),
        Study(
            "selection",
            "in-domain against out-of-domain, and what selecting by validation costs",
            ("vanilla", "soup", "greedy_soup", "inter_training", "ratatouille", "greedy_ratatouille"),
            selection,
        ),
    )
}


def study_named(name: str) -> Study:
    """The row with this name.

    Raises:
        Refusal: when there is none, with the names that exist.
    """
    if name not in STUDIES:
        raise Refusal(f"there is no analysis {name!r}; the analyses are {', '.join(STUDIES)}")
    return STUDIES[name]
