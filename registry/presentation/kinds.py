"""The kinds of versions: their words, and the one colour that each has in tables, legends and graphs.

The page has the colours by these names in its style sheet, for light and dark screens; terminals have sixteen.
"""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.wording import number_of
from registry.records import EntryScore, RecipeResult

KINDS = {
    "import": "import",
    "probe": "head",
    "fine_tune": "training",
    "combine": "average",
}
"""The product of a rule, in the words of the page."""
STYLES = {
    "import": "blue",
    "probe": "yellow",
    "fine_tune": "green",
    "target": "bright_red",
    "combine": "magenta",
}
"""The colour of a kind in a terminal."""


def colour_of(rule: str, task_kind: str | None) -> str:
    """The name of a version's colour: its rule, but trainings on targets and on auxiliary tasks differ."""
    return "target" if rule == "fine_tune" and task_kind == "target" else rule


def recipe_text(recipes: Sequence[RecipeResult]) -> str:
    """The first recipe that ended in a version, and how many more; empty where no report names the version."""
    if not recipes:
        return ""
    others = len({one.recipe for one in recipes}) - 1
    return recipes[0].recipe + (f" +{others}" if others else "")


def score_text(score: EntryScore | None) -> str:
    """A score in percent with its interval, and the split where the images were not held out."""
    if score is None:
        return ""
    split = {"validation": " val", "train": " train"}.get(score.split, "")
    return f"{100 * score.value:.1f} ± {100 * score.margin:.1f}{split}"


def score_sentence(score: EntryScore) -> str:
    """What a score is of."""
    over = f"mean over {score.domains} domains" if score.domains > 1 else "one domain"
    of = "held-out domains" if score.split == "all" else f"the split {score.split}"
    value = f"{100 * score.value:.1f} ± {100 * score.margin:.1f}"
    own = ", self-reported" if score.self_reported else ""
    return f"{value} % {score.metric.replace('_', ' ')}{own}: {number_of(score.images, 'image')} of {of}, {over}"
