"""The study of selection: all runs and final versions, counted together on the held-out domains."""

from __future__ import annotations

from dataclasses import dataclass

from ratatouille.recipes.counting import Counted, alone, both_sides, end_of
from ratatouille.recipes.outcome import Candidate
from ratatouille.recipes.questions import Comparing
from ratatouille.recipes.walk import Walk


@dataclass(frozen=True)
class Selection:
    """Every run and every final version of a round's recipes, each once, counted together on the held-out domains."""

    networks: tuple[Candidate, ...]
    held_out: Counted
    """With all pairs, so that a difference of two has an interval."""


def selection(walk: Walk) -> Selection | None:
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
    return None if held_out is None else Selection(tuple(networks.values()), held_out)
