"""The study of linear mode connectivity: networks on lines between two or three others (docs/method.md §4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from ratatouille.recipes.counting import LABEL, End, SideCounts, alone, both_sides, end_of, is_left_out, run_of, stopped
from ratatouille.recipes.mixtures import mix
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.questions import Comparing
from ratatouille.recipes.walk import Walk

T = TypeVar("T")
POINTS = tuple(number / 10 for number in range(11))
"""λ of an interpolation curve (docs/method.md §4.1)."""
PAIRS = 6
"""Curves of each kind at most, the first pairs in order."""


@dataclass(frozen=True)
class Curve:
    """An interpolation: network i of the comparisons is the mixture at `POINTS[i]`, with `shares(λ, …)` of the ends.

    Three ends are not all on the curve: the second and the third alone are the networks after it.
    """

    kind: str
    """`observation 1`, `observation 2`, `hypothesis 1`, `hypothesis 2` or `three-way`."""
    ends: tuple[str, ...]
    """Labels of what is mixed."""
    validation: SideCounts
    held_out: SideCounts
    own: tuple[Candidate | None, ...] = ()
    """The ends as versions with counts of their own, which the curve must meet; None for an end that is no version."""

    @property
    def places(self) -> tuple[int, ...]:
        """Which networks of the comparisons are the ends themselves."""
        last = len(POINTS) - 1
        return (0, last) if len(self.ends) == 2 else tuple(range(last, last + len(self.ends)))


def connectivity(walk: Walk) -> tuple[Curve, ...] | None:
    """Observations 1 and 2, hypotheses 1 and 2 (figure 4), and three-way mixtures."""
    trial, protocol, pool = walk.round.trial, walk.round.protocol, walk.round.pool
    head = walk.shared_head(trial)[1]
    starts = [(one.name, walk.start(one, 0)) for one in pool]
    soup = [
        (f"run {number + 1}", run_of(walk, "soup", number))
        for number in range(protocol.runs)
        if not is_left_out(walk, "soup", number)
    ]
    # Run i of ratatouille is the first that starts from member i of the pool (docs/method.md §3.8).
    tuned = [
        (one.name, run_of(walk, "ratatouille", number))
        for number, one in enumerate(pool, 1)
        if number < protocol.runs and not is_left_out(walk, "ratatouille", number)
    ]
    curves: list[Curve | None] = [_trajectory(walk, number) for number in range(min(2, protocol.runs))]
    for pair in _first_pairs(soup):
        curves.append(_between(walk, "observation 2", pair))
    for (name, first), (other, second) in _first_pairs(starts):
        if first is None or second is None or head is None or head.head is None:
            curves.append(None)
            continue
        ends = [End(start.featurizer, head.head, start.version, head_version=head.version) for start in (first, second)]
        curves.append(_curve(walk, "hypothesis 1", (name, other), ends))
    for pair in _first_pairs(tuned):
        curves.append(_between(walk, "hypothesis 2", pair))
    for turn in range(3 if len(tuned) >= 3 else 0):
        curves.append(_between(walk, "three-way", [tuned[(turn + step) % 3] for step in range(3)]))
    found = tuple(curve for curve in curves if curve is not None)
    return found if len(found) == len(curves) else None


def shares(at: float, ends: int) -> tuple[float, ...]:
    """How much of each end there is at λ: (1 − λ, λ) of two; of three λ of the first, (1 − λ) / 2 of each other one."""
    return (1 - at, at) if ends == 2 else (at, *((1 - at) / (ends - 1),) * (ends - 1))


def _first_pairs(items: Sequence[T]) -> list[tuple[T, T]]:
    return list(combinations(items, 2))[:PAIRS]


def _between(walk: Walk, kind: str, runs: Sequence[tuple[str, Candidate | None]]) -> Curve | None:
    """The curve between target runs, or None while one is missing."""
    ends = [end_of(run) for _, run in runs if run is not None]
    return _curve(walk, kind, tuple(label for label, _ in runs), ends) if len(ends) == len(runs) else None


def _curve(walk: Walk, kind: str, labels: tuple[str, ...], ends: Sequence[End]) -> Curve | None:
    mixtures = [mix(ends, shares(at, len(ends))) for at in POINTS]
    if len(ends) > 2:
        mixtures += [alone(end) for end in ends[1:]]
    label = f"{kind}, {' to '.join(labels)}"[:LABEL]
    asked = Comparing(
        tuple(mixtures), tuple(dict.fromkeys(version for end in ends for version in end.versions)), label, pairs=True
    )
    validation, held_out = both_sides(walk, asked)
    if validation is None or held_out is None:
        return None
    return Curve(kind, labels, validation, held_out, tuple(end.own for end in ends))


def _trajectory(walk: Walk, number: int) -> Curve | None:
    """Between two checkpoints of target run `number` from the foundation: half way, and at its end.

    Batches, augmentation and dropout are drawn in the order of the steps, and the rate is constant: so a run that is
    asked for half of the steps is the beginning of the whole one.
    """
    steps, trial, share = walk.round.protocol.steps, walk.round.trial, walk.holding(number)
    marks = (max(1, steps // 2), steps)
    found = []
    for at in marks:
        work_id, fact = stopped(walk, walk.round.foundation, number, at)
        found.append(walk.candidate(work_id, fact, f"run {number + 1} at step {at}", trial, share))
    labels = [f"run {number + 1} at step {at}" for at in marks]
    return _between(walk, "observation 1", list(zip(labels, found, strict=True)))
