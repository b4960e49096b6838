"""The table of systems: every fine-tuning strategy of the paper's figure 1 is a row with three columns.

Adding a system means adding a row here and, if its start, keep or combination is new, one entry in the table of that
column (`columns.STARTS`, `training.keeps`, `columns.COMBINATIONS`). Source: METHOD.md 3.
"""

from __future__ import annotations

from dataclasses import dataclass

from ratatouille.errors import Refusal


@dataclass(frozen=True)
class Recipe:
    """A way from the foundation, the target and auxiliary tasks to one final version."""

    name: str
    starts: str
    """Where each run starts: a row of `columns.STARTS`."""
    keeps: str | None
    """What each run keeps: a row of `training.keeps`; None where nothing is fine-tuned."""
    combines: str
    """How the runs become one version: a row of `columns.COMBINATIONS`."""
    summary: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("linear_probe", "pretrained", None, "only", "a new head on the frozen foundation"),
        Recipe("vanilla", "pretrained", "best", "best_on_validation", "fine-tune the foundation, keep the best run"),
        Recipe("soup", "pretrained", "best", "uniform", "average runs that share one start (model soups, DiWA)"),
        Recipe("ratatouille", "auxiliary", "best", "uniform", "average runs that start from different auxiliary tasks"),
    )
}


def recipe_named(name: str) -> Recipe:
    """The row with this name.

    Raises:
        Refusal: when there is none, with the names that exist.
    """
    if name not in RECIPES:
        raise Refusal(f"there is no recipe {name!r}; the recipes are {', '.join(RECIPES)}")
    return RECIPES[name]
