"""Commands that show the tables of the method: `recipes` and `protocols`."""

from __future__ import annotations

from ratatouille.cli import output
from ratatouille.cli.output import AsJson
from ratatouille.recipes.protocol import PROTOCOLS, Protocol
from ratatouille.recipes.recipe import RECIPES
from ratatouille.record import Record

Protocols = tuple[Protocol, ...]
"""What `protocols --json` prints."""
RECIPE_COLUMNS = ("recipe", "starts", "keeps", "combines", "summary")


def recipes(as_json: AsJson = False) -> None:
    """List the recipes and their three columns."""
    rows = [(row.name, row.starts, row.keeps, row.combines, row.summary) for row in RECIPES.values()]
    if as_json:
        output.print_json([dict(zip(RECIPE_COLUMNS, row, strict=True)) for row in rows])
    else:
        layout = output.TableLayout(RECIPE_COLUMNS, drop=("keeps",), prose=("summary",))
        output.print_table(layout, [[cell or "–" for cell in row] for row in rows])


def protocols(as_json: AsJson = False) -> None:
    """List the protocols and their values."""
    if as_json:
        output.print_json(list(PROTOCOLS.values()))
    else:
        layout = output.TableLayout(("value", *PROTOCOLS), prose=tuple(PROTOCOLS))
        output.print_table(layout, _values(list(PROTOCOLS.values())))


def _values(shown: list[Protocol]) -> list[list[str]]:
    """A row for each value, a column for each protocol; nested values have a dot in their name."""
    columns = [_flat(protocol) for protocol in shown]
    return [[name, *(column[name] for column in columns)] for name in columns[0] if name != "name"]


def _flat(values: Record, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values:
        if isinstance(value, Record):
            flat |= _flat(value, f"{name}.")
        else:
            flat[prefix + name] = _shown(value)
    return flat


def _shown(value: object) -> str:
    match value:
        case None:
            return "–"
        case float():
            return f"{value:g}"
        case tuple():
            return ", ".join(map(_shown, value))
        case dict():
            return "; ".join(f"{key}: {_shown(one)}" for key, one in value.items()) or "–"
        case Record():
            return ", ".join(f"{name} {_shown(one)}" for name, one in value if one is not None)
    return str(value)
