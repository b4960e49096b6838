"""A node looks up where the heads of an order come from, so an order names the versions that have them."""

from __future__ import annotations

import pytest

from ratatouille.exchange.assignment import heads_of
from ratatouille.exchange.order import Order
from ratatouille.recipes.protocol import EMOJI
from ratatouille.recipes.recipe import RECIPES
from ratatouille.recipes.studies import STUDIES
from tests.ratatouille.recipes.simulation import a_round, run

FEW = EMOJI.model_copy(update={"runs": 3})


@pytest.mark.parametrize("trials", [1, 2])
@pytest.mark.parametrize("analyses", [(), *((kind,) for kind in STUDIES)], ids=lambda kinds: "".join(kinds) or "none")
def test_every_head_of_an_order_is_that_of_one_of_its_parents(analyses: tuple[str, ...], trials: int) -> None:
    recipes = STUDIES[analyses[0]].recipes if analyses else tuple(RECIPES)
    greedy_apart = [name for name in recipes if trials == 1 or RECIPES[name].combines != "greedy"]
    found, facts = run(a_round("wx", tuple(greedy_apart), FEW, analyses=analyses, pool_trials=trials, starts="s"))
    heads = {fact.version: fact.head for fact in facts.values() if fact.version}
    orders = [one for one in found.questions.values() if isinstance(one, Order)]
    assert orders
    for order in orders:
        assert heads_of(order.assignment) <= {heads.get(parent) for parent in order.parents}, order.label
