"""The plan of a round as a pure function: facts in, open work out.

The same function starts a round, continues it after a crash, and finds at the end that nothing is open. It knows no
node, socket, file or clock. Source: docs/method.md §3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ratatouille.recipes.outcome import Fact
from ratatouille.recipes.questions import Plan
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Round
from ratatouille.recipes.studies import study_named
from ratatouille.recipes.walk import Walk


def plan(round: Round, facts: Mapping[str, Fact], closing: bool = False, closed: Collection[str] = frozenset()) -> Plan:
    """Walk through a round.

    Args:
        round: what is to be done.
        facts: answers by work id.
        closing: the deadline has passed: ask for no more trainings, combine the runs that are there if they are at
            least `round.min_runs`.
        closed: questions that everybody who could answer them has closed: a run that needs one is left out.
    """
    walk = Walk(round, facts, closing, closed)
    for name in round.recipes:
        walk.plan.outcomes.append(walk.follow(recipe_named(name)))
    for name in round.analyses:
        walk.plan.studies[name] = study_named(name).ask(walk)
    walk.plan.sort()
    return walk.plan
