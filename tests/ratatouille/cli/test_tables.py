from __future__ import annotations

from ratatouille.recipes.protocol import PROTOCOLS
from ratatouille.recipes.recipe import RECIPES
from tests.ratatouille.cli.call import call


def test_recipes_shows_a_row_with_three_columns_for_each() -> None:
    shown = call("recipes").out.splitlines()
    assert shown[0].split() == ["recipe", "starts", "keeps", "combines", "summary"]
    assert [line.split()[0] for line in shown[1:]] == list(RECIPES)
    assert next(row for row in call("recipes", "--json").json if row["recipe"] == "ratatouille") == {
        "recipe": "ratatouille",
        "starts": "auxiliary",
        "keeps": "best",
        "combines": "uniform",
        "summary": RECIPES["ratatouille"].summary,
    }


def test_protocols_shows_every_value_of_each() -> None:
    shown = {line.split()[0]: line.split()[1:] for line in call("protocols").out.splitlines()}
    assert shown["value"] == list(PROTOCOLS)
    assert shown["steps"] == [str(protocol.steps) for protocol in PROTOCOLS.values()]
    assert shown["augmentation.flip"] == ["0.5"] * len(PROTOCOLS)
    assert [one["name"] for one in call("protocols", "--json").json] == list(PROTOCOLS)
