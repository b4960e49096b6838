"""The table of systems: every fine-tuning strategy of the paper's figure 1, and two of ours, is a row of three columns.

Adding a system means adding a row here and, if its start, keep or combination is new, one entry in the table of that
column (`columns.STARTS`, `columns.KEEPS`, `columns.COMBINATIONS`). Source: docs/method.md §3.
"""

from __future__ import annotations

from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.settings import advice


@dataclass(frozen=True)
class Recipe:
    """A way from the foundation, the target and auxiliary tasks to one final version."""

    name: str
    starts: str
    """Where each run starts: a row of `columns.STARTS`."""
    keeps: str | None
    """What each run keeps: a row of `columns.KEEPS`; None where nothing is fine-tuned."""
    combines: str
    """How the runs become one version: a row of `columns.COMBINATIONS`."""
    summary: str


# One row is one line.
# fmt: off
_ROWS = (
    Recipe("linear_probe", "pretrained", None, "only", "a new head on the frozen foundation"),
    Recipe("vanilla", "pretrained", "best", "best_on_validation", "fine-tune the foundation, keep the best run"),
    Recipe("moving_average", "pretrained", "mean", "best_on_validation", "average each run's steps, keep the best run"),
    Recipe("swad", "pretrained", "valley", "best_on_validation", "average each run's loss valley, keep the best"),
    Recipe("wise_ft", "pretrained", "interpolated", "best_on_validation", "mix each run with its start, keep the best"),
    Recipe("soup", "pretrained", "best", "uniform", "average runs that share one start (model soups, DiWA)"),
    Recipe("greedy_soup", "pretrained", "best", "greedy", "average those runs that help on validation"),
    Recipe("ensemble", "pretrained", "best", "logits", "mean of the outputs of soup's runs, a baseline"),
    Recipe("inter_training", "auxiliary", "best", "best_on_validation", "tune an auxiliary task first, keep the best"),
    Recipe("fusing", "fused", "best", "best_on_validation", "start from mixes of auxiliary runs, keep the best"),
    Recipe("ratatouille", "auxiliary", "best", "uniform", "average runs that start from different auxiliary tasks"),
    Recipe("greedy_ratatouille", "auxiliary", "best", "greedy", "average those of its runs that help on validation"),
    Recipe("ratatouille_ensemble", "auxiliary", "best", "logits", "mean of the outputs of its runs, a baseline"),
)
_OURS = (
    Recipe("trimmed_soup", "pretrained", "best", "trimmed", "soup without the outer values of each weight"),
    Recipe("balanced_ratatouille", "auxiliary", "best", "balanced", "ratatouille, each contributor counts once"),
)
# fmt: on
RECIPES = {recipe.name: recipe for recipe in (*_ROWS, *_OURS)}
PAPER = tuple(recipe.name for recipe in _ROWS)
"""The paper's systems and their baselines: what a benchmark of its data sets runs unless it names others."""
FIRST = ("linear_probe", "vanilla", "soup", "ratatouille")
"""The recipes of a round that names none."""


def recipe_named(name: str) -> Recipe:
    """The row with this name.

    Raises:
        Refusal: when there is none, with the names that exist.
    """
    if name not in RECIPES:
        raise Refusal(f"there is no recipe {name!r}; {advice(name, RECIPES, 'recipes')}")
    return RECIPES[name]
