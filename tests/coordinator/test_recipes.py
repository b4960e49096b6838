"""One contract for every recipe, on real training: all of them rehearsed together on small data."""

from pathlib import Path

import pytest

from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse_all
from coordinator.settings import read_round_settings
from ratatouille.analysis.report import report
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.order import Order
from ratatouille.recipes.outcome import Outcome, pooled_accuracy, score
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.recipe import RECIPES
from ratatouille.tasks.node import read_node_settings
from registry.opening import open_registry
from registry.records import LogQuery
from registry.services.registry import Registry
from tests.coordinator.federation import NODES, Ground

STEPS = 12


class Kitchen:
    """A registry in which two rounds were rehearsed: all recipes, and a soup over three trials."""

    def __init__(self, folder: Path) -> None:
        ground = Ground(folder, STEPS)
        self.registry: Registry = open_registry(folder / "registry")
        ground.enter(self.registry)
        nodes = tuple(read_node_settings(ground.node_file(name)) for name in NODES)
        site = RehearsalSite(str(folder / "registry"), nodes, folder)
        files = [
            ground.write_round("all", STEPS, recipes=list(RECIPES)),
            ground.write_round("pooled", STEPS, recipes=["soup"], pool_trials=2),
        ]
        rounds = rehearse_all([read_round_settings(file) for file in files], site)
        self.round = rounds[0]
        self.plans = [RoundDriver(round, self.registry, 0.0).gather() for round in rounds]

    @property
    def plan(self) -> RoundPlan:
        """All recipes."""
        return self.plans[0]

    def outcome(self, recipe: str) -> Outcome:
        """Where one recipe ended."""
        return next(outcome for outcome in self.plan.outcomes if outcome.recipe == recipe)


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    return Kitchen(tmp_path_factory.mktemp("kitchen"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_ends_with_one_final_thing_that_is_counted_everywhere(kitchen: Kitchen, recipe: str) -> None:
    outcome = kitchen.outcome(recipe)
    assert outcome.complete
    assert outcome.final is not None
    assert 0 <= score(outcome.final.validation or (), "accuracy") <= 1
    assert 0 <= score(outcome.final.held_out or (), "accuracy") <= 1
    if outcome.final.version is None:
        assert RECIPES[recipe].combines == "logits"
    else:
        assert kitchen.registry.versions.verify(outcome.final.version).ok


def test_greedy_is_at_least_as_good_on_validation_as_the_best_run_on_the_same_images(kitchen: Kitchen) -> None:
    for recipe in ("greedy_soup", "greedy_ratatouille"):
        outcome = kitchen.outcome(recipe)
        ranked = sorted(outcome.members, key=lambda member: -score(member.validation or (), "accuracy"))
        assert outcome.final is not None
        final, best = (pooled_accuracy(one.validation or ()) for one in (outcome.final, ranked[0]))
        assert final is not None
        assert best is not None
        assert final >= best


def test_recipes_that_name_the_same_runs_have_the_same_members(kitchen: Kitchen) -> None:
    for first, *others in (
        ("vanilla", "soup", "greedy_soup", "ensemble"),
        ("inter_training", "ratatouille", "greedy_ratatouille", "ratatouille_ensemble"),
    ):
        assert all(kitchen.outcome(other).members == kitchen.outcome(first).members for other in others)


def test_what_a_run_keeps_changes_nothing_in_its_training(kitchen: Kitchen) -> None:
    def losses(recipe: str) -> list[list[float | None]]:
        members = kitchen.outcome(recipe).members
        receipts = [kitchen.registry.versions.show(str(member.version)).receipt for member in members]
        return [[point.loss for point in receipt.curve] for receipt in receipts if receipt is not None]

    assert losses("moving_average") == losses("swad") == losses("vanilla")
    valleys = {member.featurizer for member in kitchen.outcome("swad").members}
    assert not valleys & {member.featurizer for member in kitchen.outcome("vanilla").members}


def test_runs_of_several_trials_are_one_average(kitchen: Kitchen) -> None:
    soup = kitchen.plans[1].outcomes[0]
    assert soup.final is not None
    version = kitchen.registry.versions.show(str(soup.final.version)).entry.version
    assert len(version.parents) == 2 * len(kitchen.outcome("soup").members)
    assert {parent.version for parent in version.parents} >= {
        member.version for member in kitchen.outcome("soup").members
    }
    assert kitchen.registry.versions.verify(version.id).ok


def test_what_recipes_and_rounds_share_was_trained_once(kitchen: Kitchen) -> None:
    asked = {
        work_id
        for plan in kitchen.plans
        for work_id, order in plan.questions.items()
        if isinstance(order, Order) and isinstance(order.assignment, FineTune)
    }
    assert len(kitchen.registry.versions.log(LogQuery(kind="fine_tune"), limit=1000)) == len(asked)
    assert kitchen.plan.shared > 0


def test_the_table_has_a_row_for_every_recipe_and_names_no_weights_for_ensembles(kitchen: Kitchen) -> None:
    table = report(kitchen.round, kitchen.plan.outcomes)
    assert [row.recipe for row in table.rows] == list(RECIPES)
    for row in table.rows:
        assert row.held_out["all"].images > 0
        assert (row.version is None) == row.recipe.endswith("ensemble")
