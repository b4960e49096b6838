"""Writes the table of recipes in README.md from the rows of `ratatouille.recipes.recipe`.

`python -m docs.recipes` writes; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from docs.blocks import replaced
from ratatouille.cli.tables import RECIPE_COLUMNS
from ratatouille.recipes.recipe import RECIPES

PAGE = Path(__file__).parent.parent / "README.md"


def table() -> str:
    """The rows, as `ratatouille recipes` prints them."""
    rows = [(f"`{row.name}`", row.starts, row.keeps or "–", row.combines, row.summary) for row in RECIPES.values()]
    lines = [RECIPE_COLUMNS, ("---",) * len(RECIPE_COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page() -> str:
    """README.md as it should be."""
    return replaced(PAGE, "recipes", table())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
