"""The entries behind two columns of the recipe table: where runs start, and how runs become one version.

A start chooses by the run's number; a combination takes the members in the order of their numbers. Both ask through the
walk, and return None while an answer is missing. (What a run keeps is the third column: `ratatouille.training.keeps`.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.round import Start
from ratatouille.recipes.score import score

if TYPE_CHECKING:  # the walk runs these entries, so it imports this module
    from ratatouille.recipes.walk import Walk


@dataclass(frozen=True)
class Starts:
    """A row of the first column: which start run `number` takes, and how many different ones there are."""

    summary: str
    choose: Callable[[Walk, int], Start | None]
    count: Callable[[Walk], int]


def _auxiliary_start(walk: Walk, number: int) -> Start | None:
    """Run s starts from initialisation s mod (A+1), 0 being the foundation, and its auxiliary run s mod R."""
    pool = walk.round.auxiliaries
    index = number % (len(pool) + 1)
    if index == 0:
        return walk.round.foundation
    return walk.auxiliary(pool[index - 1], number % walk.round.protocol.auxiliary_runs)


STARTS = {
    "pretrained": Starts("the foundation", lambda walk, _: walk.round.foundation, lambda walk: 1),
    "auxiliary": Starts(
        "one auxiliary task each, in turn with the foundation",
        _auxiliary_start,
        lambda walk: len(walk.round.auxiliaries) + 1,
    ),
}


def _best_on_validation(walk: Walk, members: Sequence[Candidate]) -> Candidate | None:
    best: tuple[float, Candidate] | None = None
    for member in members:
        if member.validation is None:
            return None
        value = score(member.validation, walk.round.metric)
        if best is None or value > best[0]:  # the first strict maximum, as checkpoints are chosen
            best = (value, member)
    return best[1] if best else None


def _uniform(walk: Walk, members: Sequence[Candidate]) -> Candidate | None:
    work_id, fact = walk.combine([member.version for member in members], "uniform")
    return walk.candidate(work_id, fact, "average")


COMBINATIONS: dict[str, Callable[[Walk, Sequence[Candidate]], Candidate | None]] = {
    "best_on_validation": _best_on_validation,
    "uniform": _uniform,
}
