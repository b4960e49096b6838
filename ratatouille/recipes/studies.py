"""The table of analyses: what each asks of a round's runs, beyond what the recipes need (docs/method.md §4).

A study is a walk like a recipe: it asks through the same questions, so runs that a recipe has trained are not trained
again, and nodes that hold the data count (`compare`) and never send it. What the counts say: `ratatouille.analysis`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ratatouille.errors import Refusal
from ratatouille.recipes.study_auxiliaries import auxiliaries
from ratatouille.recipes.study_connectivity import connectivity
from ratatouille.recipes.study_diversity import diversity
from ratatouille.recipes.study_selection import selection
from ratatouille.recipes.walk import Walk


@dataclass(frozen=True)
class Study:
    """A row of the table."""

    name: str
    summary: str
    recipes: tuple[str, ...]
    """Recipes whose runs it is about; they are part of its round."""
    ask: Callable[[Walk], object | None]
    """What is known, or None while an answer is missing."""


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
