"""The plan of a round as a pure function: facts in, open work out.

The same function starts a round, continues it after a crash, and finds at the end that nothing is open. It knows no
node, socket, file or clock. Source: METHOD.md 3.
"""

from __future__ import annotations

from collections.abc import Mapping

from ratatouille.recipes.outcome import Fact
from ratatouille.recipes.questions import Plan
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Round
from ratatouille.recipes.studies import study_named
from ratatouille.recipes.walk import Walk


def plan(round: Round, facts: Mapping[str, Fact], closing: bool = False) -> Plan:
    """Walk through a round.

    Args:
        round: what is to be done.
        facts: answers by work id.
        closing: the deadline has passed: ask for no more trainings, combine the runs that are there if they are at
            least `round.min_runs`.
    """
    walk = Walk(round, facts, closing)
    for name in round.recipes:
        walk.plan.outcomes.append(walk.follow(recipe_named(name)))
    for name in round.analyses:
        walk.plan.studies[name] = study_named(name).ask(walk)
    walk.plan.sort()
    return walk.plan
