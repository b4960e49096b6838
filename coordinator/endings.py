"""The reason of a round that ends: what it goes without, in one sentence that its row in the registry keeps."""

from __future__ import annotations

from ratatouille.errors import Refusal
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.round import Round
from ratatouille.wording import enumerated, number_of

WITHOUT = "without"
"""How the reason of a round begins that ended without runs or answers that are not to be had for now."""
MOST_NAMED = 5
"""Nodes, answers and pieces of work that a sentence names."""


def ending(round: Round, plan: RoundPlan, closing: bool, uncounted: int) -> str:
    """The reason of a round that ends with this plan; empty when it is whole.

    Args:
        round: which.
        plan: how it ends.
        closing: whether its deadline has passed.
        uncounted: questions that were not counted, since nodes had counted as much as their owners allow.

    Raises:
        Refusal: when no recipe has a final version.
    """
    lacking = "; ".join(part for part in (lacking_sentence(plan), left_out_sentence(plan)) if part)
    if not any(outcome.final for outcome in plan.outcomes):
        if lacking:
            raise Refusal(f"nothing can be combined: {lacking}")
        least = round.min_runs or round.protocol.runs
        there = number_of(least, "run of any recipe was", "runs of any recipe were")
        raise Refusal(f"the deadline passed before {there} there; nothing to combine")
    short = [f"{one.recipe} {len(one.members)} of {number_of(one.wanted, 'run')}" for one in plan.outcomes if one.short]
    short += [f"{one.recipe} without all counts" for one in plan.outcomes if not one.short and not one.complete]
    if uncounted:
        short.append(
            f"{number_of(uncounted, 'question')} not counted, since nodes had counted as much as their owners allow"
        )
        ended = f"ended: {', '.join(short)}"
    else:
        ended = f"ended at its deadline: {', '.join(short)}" if short and (closing or not lacking) else ""
    return "; ".join(part for part in (ended, lacking) if part)


def lacking_sentence(plan: RoundPlan) -> str:
    """The clause about answers that members have closed, which a round goes without; empty where it lacks none."""
    if not plan.lacking:
        return ""
    shown = enumerated(list(dict.fromkeys(order.label for order in plan.lacking.values())), MOST_NAMED)
    return f"{WITHOUT} {number_of(len(plan.lacking), 'answer')} that the members who hold the data have closed: {shown}"


def left_out_sentence(plan: RoundPlan) -> str:
    """The clause about runs that were not admitted; empty where all were."""
    found = {one.version: f"{one.label} ({one.state})" for outcome in plan.outcomes for one in outcome.left_out}
    if not found:
        return ""
    runs = number_of(len(found), "run that was", "runs that were")
    return f"{WITHOUT} {runs} not admitted: {enumerated(list(found.values()), MOST_NAMED)}"
