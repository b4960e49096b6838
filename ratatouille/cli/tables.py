"""Commands that show the tables of the method: `recipes` and `protocols`."""

from __future__ import annotations

from ratatouille.cli import output
from ratatouille.cli.options import AsJson
from ratatouille.recipes.protocol import PROTOCOLS, Protocol
from ratatouille.recipes.recipe import RECIPES

RECIPE_COLUMNS = ("recipe", "starts", "keeps", "combines", "summary")


def recipes(as_json: AsJson = False) -> None:
    """List the recipes and their three columns."""
    rows = [(row.name, row.starts, row.keeps, row.combines, row.summary) for row in RECIPES.values()]
    if as_json:
        output.print_json([dict(zip(RECIPE_COLUMNS, row, strict=True)) for row in rows])
    else:
        output.print_table(RECIPE_COLUMNS, [[cell or "–" for cell in row] for row in rows])


def protocols(as_json: AsJson = False) -> None:
    """List the protocols and their values."""
    if as_json:
        output.print_json(list(PROTOCOLS.values()))
    else:
        output.print_table(("value", *PROTOCOLS), _values(list(PROTOCOLS.values())))


def _values(shown: list[Protocol]) -> list[list[str]]:
    """A row for each value, a column for each protocol; nested values have a dot in their name."""
    columns = [_flat(protocol.model_dump(exclude={"name"})) for protocol in shown]
    return [[name, *(column[name] for column in columns)] for name in columns[0]]


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        else:
            flat[prefix + name] = ", ".join(map(_number, value)) if isinstance(value, tuple) else _number(value)
    return flat


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
