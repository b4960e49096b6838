"""The table of analyses: what each asks of a round's runs, beyond what the recipes need (METHOD.md 4).

A study is a walk like a recipe: it asks through the same questions, so runs that a recipe has trained are not trained
again, and nodes that hold the data count (`compare`) and never send it. What the counts say: `ratatouille.analysis`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, KeepLast, Mixture, Weighted
from ratatouille.exchange.receipt import Comparison
from ratatouille.recipes.columns import mean_of
from ratatouille.recipes.hyperparameters import seed_hash
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.recipe import Recipe, recipe_named
from ratatouille.recipes.round import Start
from ratatouille.recipes.walk import Comparing, Training, Walk, Weights

T = TypeVar("T")
POINTS = tuple(number / 10 for number in range(11))
"""λ of an interpolation curve (METHOD.md 4)."""
PAIRS = 6
"""Curves of each kind at most, the first pairs in order."""
DRAWS = 5
"""Random draws of members for each point of a figure over numbers of members or of auxiliary tasks."""


@dataclass(frozen=True)
class Counted:
    """A comparison on all holdings of one side: the training domains' validation splits, or the held-out domains."""

    parts: tuple[Comparison, ...]
    """One for each holding; their counts are summed within a domain."""


@dataclass(frozen=True)
class Curve:
    """An interpolation: network i of the comparisons is the mixture at `POINTS[i]`; 0 is the first end."""

    kind: str
    """`observation 1`, `observation 2`, `hypothesis 1`, `hypothesis 2` or `three-way`."""
    ends: tuple[str, ...]
    """Labels of what is mixed; for three-way curves λ is on the first, (1 − λ) / 2 on each other one."""
    validation: Counted
    held_out: Counted


@dataclass(frozen=True)
class Member:
    """A target run in a pool: where it started from, and its number."""

    start: str
    """`foundation`, or the auxiliary task's name."""
    number: int


@dataclass(frozen=True)
class Pool:
    """Runs and what is counted of all of them together, with all pairs; members are the networks in order."""

    members: tuple[Member, ...]
    validation: Counted
    held_out: Counted


@dataclass(frozen=True)
class Average:
    """The uniform mean of some members of a pool; `members` are their places in it."""

    members: tuple[int, ...]


@dataclass(frozen=True)
class Averages:
    """Means of members of a pool: network i of the comparisons is the mean `means[i]`."""

    means: tuple[Average, ...]
    validation: Counted
    held_out: Counted


@dataclass(frozen=True)
class Diversity:
    """Runs of one start and of several, how alike they err, and what averaging two or more of them gives."""

    pool: Pool
    pairs: Averages
    """The mean of every pair of members (figure 3c)."""
    mixed: Averages
    """Means of M members of which a share does not start from the foundation, drawn at random (figure 3d)."""
    steps: tuple[tuple[int, Pool], ...]
    """The pool at several steps of its runs (figure 3b): step, and the runs stopped there."""


@dataclass(frozen=True)
class Auxiliaries:
    """Averages of equally many runs over more and more starts (figure 6)."""

    pool: Pool
    averages: Averages
    starts: tuple[int, ...]
    """For each mean, how many different starts its members have; the foundation counts as one."""


@dataclass(frozen=True)
class Study:
    """A row of the table."""

    name: str
    summary: str
    recipes: tuple[str, ...]
    """Recipes whose runs it is about; they are part of its round."""
    ask: Callable[[Walk], object | None]
    """What is known, or None while an answer is missing."""


# -- linear mode connectivity


def connectivity(walk: Walk) -> tuple[Curve, ...] | None:
    """Observations 1 and 2, hypotheses 1 and 2 (figure 4), and three-way mixtures."""
    trial = walk.round.trial
    head = walk.shared_head(trial)[1]
    pool = [(one.name, walk.auxiliary(one, 0)) for one in walk.round.auxiliaries]
    soup = _runs(walk, "soup", range(walk.round.protocol.runs))
    starts = range(1, min(len(pool), walk.round.protocol.runs - 1) + 1)
    tuned = _runs(walk, "ratatouille", starts)
    halves = [_stopped(walk, number, trial) for number in range(2)]
    if head is None or head.head is None or None in soup or None in tuned:
        return None
    if any(start is None for _, start in pool) or None in halves:
        return None
    known_starts = [(name, start) for name, start in pool if start is not None]
    known_tuned = [(name, run) for (name, _), run in zip(known_starts, tuned, strict=False) if run is not None]
    curves: list[Curve | None] = []
    for number, half in enumerate(halves):
        if half is not None:
            labels = (f"run {number + 1}, half way", f"run {number + 1}, at its end")
            curves.append(_curve(walk, "observation 1", labels, half))
    known_soup = [run for run in soup if run is not None]
    for (i, a), (j, b) in _first_pairs(list(enumerate(known_soup))):
        curves.append(_curve(walk, "observation 2", (f"run {i + 1}", f"run {j + 1}"), (_parts(a), _parts(b))))
    for (name, first), (other, second) in _first_pairs(known_starts):
        ends = tuple((start.featurizer, head.head, start.version) for start in (first, second))
        curves.append(_curve(walk, "hypothesis 1", (name, other), ends))
    for (name, run), (other, second_run) in _first_pairs(known_tuned):
        curves.append(_curve(walk, "hypothesis 2", (name, other), (_parts(run), _parts(second_run))))
    for turn in range(3 if len(known_tuned) >= 3 else 0):
        three = [known_tuned[(turn + step) % 3] for step in range(3)]
        names = tuple(name for name, _ in three)
        curves.append(_curve(walk, "three-way", names, tuple(_parts(run) for _, run in three)))
    found = tuple(curve for curve in curves if curve is not None)
    return found if len(found) == len(curves) else None


End = tuple[str, str, str]
"""Featurizer, head and version of one end."""


def _parts(run: Candidate) -> End:
    return str(run.featurizer), str(run.head), str(run.version)


def _first_pairs(items: Sequence[T]) -> list[tuple[T, T]]:
    return list(combinations(items, 2))[:PAIRS]


def _curve(walk: Walk, kind: str, labels: tuple[str, ...], ends: Sequence[End]) -> Curve | None:
    networks = tuple(_mixture(ends, at) for at in POINTS)
    asked = Comparing(networks, tuple(end[2] for end in ends), f"{kind}: {' to '.join(labels)}"[:100], pairs=True)
    validation, held_out = both_sides(walk, asked)
    if validation is None or held_out is None:
        return None
    return Curve(kind, labels, validation, held_out)


def _mixture(ends: Sequence[End], at: float) -> Mixture:
    """(1 − λ) · first + λ · second, or λ on the first of three and the rest on the others; no term with nothing."""
    shares = (1 - at, at) if len(ends) == 2 else (at, *((1 - at) / (len(ends) - 1) for _ in ends[1:]))
    weighed = [(end, share) for end, share in zip(ends, shares, strict=True) if share]
    heads: dict[str, float] = {}
    for end, share in weighed:  # one shared head stays what it is, to the bit
        heads[end[1]] = heads.get(end[1], 0.0) + share
    return Mixture(
        featurizer=tuple(Weighted(part=end[0], coefficient=share) for end, share in weighed),
        head=tuple(Weighted(part=part, coefficient=share) for part, share in heads.items()),
    )


def _stopped(walk: Walk, number: int, trial: int) -> tuple[End, End] | None:
    """Two checkpoints of target run `number` from the foundation: half way, and at its end.

    Batches, augmentation and dropout are drawn in the order of the steps, and the rate is constant: so a run that is
    asked for half of the steps is the beginning of the whole one.
    """
    steps = walk.round.protocol.steps
    found = [_checkpoint(walk, walk.round.foundation, number, trial, at) for at in (max(1, steps // 2), steps)]
    first, second = found
    return None if first is None or second is None else (first, second)


def _checkpoint(walk: Walk, start: Start | None, number: int, trial: int, steps: int) -> End | None:
    head = walk.shared_head(trial)[1]
    if start is None or head is None or head.head is None or head.version is None:
        return None
    label = f"run {number + 1} stopped at step {steps}"
    share = walk.holding(number)
    work = Training(walk.round.task, share, walk.round.target, number, trial, KeepLast(), label, "study", steps)
    _, fact = walk.fine_tune(work, Weights(start, head.head, head.version))
    if fact is None or fact.featurizer is None or fact.head is None or fact.version is None:
        return None
    return fact.featurizer, fact.head, fact.version


# -- diversity


def diversity(walk: Walk) -> Diversity | None:
    """Figures 3a to 3d: the runs of soup and of ratatouille, each once."""
    trial, protocol = walk.round.trial, walk.round.protocol
    members, runs = _members(walk)
    pool = None if runs is None else _pool(walk, members, [_parts(run) for run in runs], "diversity of runs")
    sampled = _sampled(members)
    steps = []
    for at in sorted({max(1, protocol.steps * quarter // 4) for quarter in (1, 2, 3, 4)}):
        ends = [
            _checkpoint(walk, _start(walk, member.start, member.number), member.number, trial, at) for member in sampled
        ]
        known = [end for end in ends if end is not None]
        at_step = _pool(walk, sampled, known, f"diversity at step {at}") if len(known) == len(ends) else None
        steps.append((at, at_step))
    if runs is None or pool is None:
        return None
    pairs = averages(walk, runs, [Average(pair) for pair in combinations(range(len(runs)), 2)], "means of pairs")
    mixed = averages(walk, runs, _mixed(members, walk.round.trial), "means of mixed runs")
    if pairs is None or mixed is None or any(found is None for _, found in steps):
        return None
    return Diversity(pool, pairs, mixed, tuple((at, found) for at, found in steps if found is not None))


def _members(walk: Walk) -> tuple[tuple[Member, ...], list[Candidate] | None]:
    """The distinct runs of soup and ratatouille, and None while one is missing."""
    numbers = range(walk.round.protocol.runs)
    names = ["foundation", *(auxiliary.name for auxiliary in walk.round.auxiliaries)]
    asked = [(Member("foundation", number), "soup") for number in numbers]
    asked += [(Member(names[number % len(names)], number), "ratatouille") for number in numbers if number % len(names)]
    found = [_run(walk, recipe, member.number) for member, recipe in asked]
    known = [run for run in found if run is not None]
    return tuple(member for member, _ in asked), known if len(known) == len(found) else None


def _sampled(members: Sequence[Member]) -> tuple[Member, ...]:
    """Two runs of the foundation and two of one auxiliary task or, where it has one only, of two: enough for all
    kinds of pairs of figure 3b.
    """
    own = [member for member in members if member.start == "foundation"]
    others = [member for member in members if member.start != "foundation"]
    same = [member for member in others if others and member.start == others[0].start]
    return (*own[:2], *(same if len(same) > 1 else others)[:2])


def _start(walk: Walk, name: str, number: int) -> Start | None:
    for auxiliary in walk.round.auxiliaries:
        if auxiliary.name == name:
            return walk.auxiliary(auxiliary, number % walk.round.protocol.auxiliary_runs)
    return walk.round.foundation


def _mixed(members: Sequence[Member], trial: int) -> list[Average]:
    """round(μM) members that do not start from the foundation and the rest that do, for several M and μ."""
    own = [place for place, member in enumerate(members) if member.start == "foundation"]
    others = [place for place, member in enumerate(members) if member.start != "foundation"]
    means = []
    for size in (2, 4, 8, 12, 16, 20):
        for tenths in range(0, 11, 2):
            foreign = round(tenths / 10 * size)
            if foreign > len(others) or size - foreign > len(own):
                continue
            generator = np.random.RandomState(seed_hash("mixed", size, tenths, trial))
            drawn = {
                tuple(sorted([*generator.permutation(others)[:foreign], *generator.permutation(own)[: size - foreign]]))
                for _ in range(DRAWS)
            }
            means += [Average(tuple(map(int, draw))) for draw in sorted(drawn)]
    return list(dict.fromkeys(means))


# -- number of auxiliary tasks


def auxiliaries(walk: Walk) -> Auxiliaries | None:
    """Figure 6: M runs over 1, 2 … starts; run s takes start s mod k of the k that are drawn."""
    numbers = range(walk.round.protocol.runs)
    pool = walk.round.auxiliaries
    drawn = _subsets(len(pool), walk.round.trial)
    wanted = sorted({(subset[number % len(subset)], number) for subset in drawn for number in numbers})
    runs = [_from(walk, start, number) for start, number in wanted]
    if any(run is None for run in runs):
        return None
    known = [run for run in runs if run is not None]
    members = tuple(Member(pool[start - 1].name if start else "foundation", number) for start, number in wanted)
    means = [
        Average(tuple(wanted.index((subset[number % len(subset)], number)) for number in numbers)) for subset in drawn
    ]
    found = _pool(walk, members, [_parts(run) for run in known], "runs of figure 6")
    averaged = averages(walk, known, means, "means of figure 6")
    if found is None or averaged is None:
        return None
    return Auxiliaries(found, averaged, tuple(len(subset) for subset in drawn))


def _subsets(size: int, trial: int) -> list[tuple[int, ...]]:
    """For each number of starts, draws of that many out of the foundation (0, always in) and `size` auxiliary tasks."""
    subsets = []
    for count in range(size + 1):
        generator = np.random.RandomState(seed_hash("starts", count, trial))
        drawn = {tuple(sorted(map(int, generator.permutation(size)[:count] + 1))) for _ in range(DRAWS)}
        subsets += [(0, *draw) for draw in sorted(drawn)]
    return subsets


def _from(walk: Walk, start: int, number: int) -> Candidate | None:
    """Target run `number` from a start: 0 is the foundation, i the auxiliary task i − 1."""
    trial = walk.round.trial
    head = walk.shared_head(trial)[1]
    pool = walk.round.auxiliaries
    name = pool[start - 1].name if start else "foundation"
    begun = _start(walk, name, number)
    if begun is None or head is None or head.head is None or head.version is None:
        return None
    kept = walk.keep("best")
    label = f"run {number + 1} from {name}"
    work = Training(walk.round.task, walk.holding(number), walk.round.target, number, trial, kept, label, "study")
    work_id, fact = walk.fine_tune(work, Weights(begun, head.head, head.version))
    return walk.candidate(work_id, fact, label, trial, walk.holding(number))


# -- counting


def both_sides(walk: Walk, asked: Comparing) -> tuple[Counted | None, Counted | None]:
    """A comparison on the validation splits of all training holdings, and on all held-out holdings."""
    trial = walk.round.trial
    validation = [
        walk.compare(asked, share, tuple(Cell(domain=domain, split="validation") for domain in share.domains), trial)
        for share in walk.round.training
    ]
    held_out = [
        walk.compare(asked, share, tuple(Cell(domain=domain, split="all") for domain in share.domains), trial)
        for share in walk.round.evaluation
    ]
    return _counted(validation), _counted(held_out)


def _counted(parts: Sequence[Comparison | None]) -> Counted | None:
    known = tuple(part for part in parts if part is not None)
    return Counted(known) if len(known) == len(parts) else None


def averages(walk: Walk, runs: Sequence[Candidate], means: Sequence[Average], label: str) -> Averages | None:
    """What means of runs classify correctly; the nodes make them, none becomes a version."""
    networks = tuple(mean_of([runs[place] for place in mean.members]) for mean in means)
    asked = Comparing(networks, tuple(str(run.version) for run in runs), f"{label} ({len(means)})")
    validation, held_out = both_sides(walk, asked)
    return None if validation is None or held_out is None else Averages(tuple(means), validation, held_out)


def _pool(walk: Walk, members: Sequence[Member], ends: Sequence[End], label: str) -> Pool | None:
    networks = tuple(Mixture(featurizer=(Weighted(part=end[0]),), head=(Weighted(part=end[1]),)) for end in ends)
    asked = Comparing(networks, tuple(end[2] for end in ends), label, ensemble=True, pairs=True, features=True)
    validation, held_out = both_sides(walk, asked)
    return None if validation is None or held_out is None else Pool(tuple(members), validation, held_out)


def _runs(walk: Walk, recipe: str, numbers: Sequence[int]) -> list[Candidate | None]:
    return [_run(walk, recipe, number) for number in numbers]


def _run(walk: Walk, recipe: str, number: int) -> Candidate | None:
    row: Recipe = recipe_named(recipe)
    return walk.run(row, number, walk.round.trial)


def selection(walk: Walk) -> tuple[()]:
    """In-domain against out-of-domain: the counts of the recipes' runs say it all."""
    return ()


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
