"""The study of diversity: pairs of runs, at their end and on their way, and averages (docs/method.md §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ratatouille.recipes.counting import (
    DRAWS,
    Average,
    Averages,
    End,
    Pool,
    PoolMember,
    averages,
    end_of,
    is_left_out,
    pool_of,
    run_of,
    start_of,
    stopped,
)
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.protocol import seed_hash
from ratatouille.recipes.walk import Walk

MEANS = 120
"""Means of two runs at most, drawn at random among all pairs."""


@dataclass(frozen=True)
class DiversityStudy:
    """Runs of one start and of several, how alike they err, and what averaging two or more of them gives."""

    pool: Pool
    pairs: Averages
    """The mean of every pair of members (figure 3c)."""
    mixed: Averages
    """Means of M members of which a share does not start from the foundation, drawn at random (figure 3d)."""
    steps: tuple[tuple[int, Pool], ...]
    """The pool at several steps of its runs (figure 3b): step, and the runs stopped there."""


def diversity(walk: Walk) -> DiversityStudy | None:
    """Figures 3a to 3d: the runs of soup and of ratatouille, each once."""
    protocol = walk.round.protocol
    members, runs = _members(walk)
    sampled = _sampled(members)
    steps = [
        (at, _pool_at(walk, sampled, at))
        for at in sorted({max(1, protocol.steps * quarter // 4) for quarter in (1, 2, 3, 4)})
    ]
    if runs is None:
        return None
    pool = pool_of(walk, members, [end_of(run) for run in runs], "diversity of runs")
    pairs = averages(walk, runs, _drawn_pairs(len(runs), walk.round.trial), "means of pairs")
    mixed = averages(walk, runs, _mixed(members, walk.round.trial), "means of mixed runs")
    if pool is None or pairs is None or mixed is None or any(found is None for _, found in steps):
        return None
    return DiversityStudy(pool, pairs, mixed, tuple((at, found) for at, found in steps if found is not None))


def _pool_at(walk: Walk, members: Sequence[PoolMember], step: int) -> Pool | None:
    """The members stopped at a step, compared with each other."""
    ends = []
    for member in members:
        _, fact = stopped(walk, start_of(walk, member.start, member.number), member.number, step)
        if fact is not None and fact.featurizer is not None and fact.head is not None and fact.version is not None:
            ends.append(End(fact.featurizer, fact.head, fact.version))
    return pool_of(walk, members, ends, f"diversity at step {step}") if len(ends) == len(members) else None


def _drawn_pairs(size: int, trial: int) -> list[Average]:
    """All pairs of members in order, or `MEANS` of them."""
    every = list(combinations(range(size), 2))
    if len(every) > MEANS:
        drawn = np.random.RandomState(seed_hash("pairs", size, trial)).permutation(len(every))[:MEANS]
        every = [every[place] for place in sorted(drawn)]
    return [Average(pair) for pair in every]


def _members(walk: Walk) -> tuple[tuple[PoolMember, ...], list[Candidate] | None]:
    """The distinct runs of soup and ratatouille, and None while one is missing."""
    numbers = range(walk.round.protocol.runs)
    names = ["foundation", *(one.name for one in walk.round.pool)]
    asked = [(PoolMember("foundation", number), "soup") for number in numbers]
    asked += [
        (PoolMember(names[number % len(names)], number), "ratatouille") for number in numbers if number % len(names)
    ]
    asked = [(member, recipe) for member, recipe in asked if not is_left_out(walk, recipe, member.number)]
    found = [run_of(walk, recipe, member.number) for member, recipe in asked]
    known = [run for run in found if run is not None]
    return tuple(member for member, _ in asked), known if len(known) == len(found) else None


def _sampled(members: Sequence[PoolMember]) -> tuple[PoolMember, ...]:
    """Two runs of the foundation and two of one auxiliary task or, where it has one only, of two: enough for all
    kinds of pairs of figure 3b.
    """
    own = [member for member in members if member.start == "foundation"]
    others = [member for member in members if member.start != "foundation"]
    same = [member for member in others if others and member.start == others[0].start]
    return (*own[:2], *(same if len(same) > 1 else others)[:2])


def _mixed(members: Sequence[PoolMember], trial: int) -> list[Average]:
    """round(μM) members that do not start from the foundation and the rest that do, for several M and μ."""
    own = [place for place, member in enumerate(members) if member.start == "foundation"]
    others = [place for place, member in enumerate(members) if member.start != "foundation"]
    means = []
    for size in (2, 4, 8, 12, 16, 20):
        for foreign in dict.fromkeys(round(tenths / 10 * size) for tenths in range(0, 11, 2)):
            if foreign > len(others) or size - foreign > len(own):
                continue
            generator = np.random.RandomState(seed_hash("mixed", size, foreign, trial))
            drawn = {
                tuple(sorted([*generator.permutation(others)[:foreign], *generator.permutation(own)[: size - foreign]]))
                for _ in range(DRAWS)
            }
            means += [Average(tuple(map(int, draw))) for draw in sorted(drawn)]
    return list(dict.fromkeys(means))
