"""Digests that a round made: to compare what hosts made of it with its rehearsal on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.ground import NODES, Ground
from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse_all
from coordinator.settings import read_round_settings
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Evaluation
from ratatouille.recipes.outcome import by_domain
from ratatouille.recipes.round import Round
from ratatouille.tasks.node import read_node_settings
from registry.opening import open_registry
from registry.services.registry import Registry

Weights = dict[str, tuple[str | None, str | None]]
"""Featurizer and head, by the work id of a run or by the name of a recipe."""
Counts = dict[str, tuple[list[Evaluation], list[Evaluation]]]
"""Counts on validation and on held-out images, by the name of a recipe."""


def weights_of(registry: Registry, round: Round) -> Weights:
    """Digests of every run by work id, and of every recipe's final version.

    (The work id of an average hashes its parents' ids, and those hash receipts, which tell how long a run took. So does
    that of a review, which is of a version.)
    """
    driver = RoundDriver.of(registry.rounds.round(round.id), registry)
    plan = driver.gather()
    assert plan.done
    facts = {
        work_id: (driver.facts[work_id].featurizer, driver.facts[work_id].head)
        for work_id, question in plan.questions.items()
        if isinstance(question, Order) and question.about is None
    }
    finals = {one.recipe: (one.final.featurizer, one.final.head) for one in plan.outcomes if one.final is not None}
    assert finals.keys() == set(round.recipes)
    return {**facts, **finals}


def counts_of(registry: Registry, round: Round) -> Counts:
    """What was counted of every recipe's final version, by domain."""
    plan = RoundDriver.of(registry.rounds.round(round.id), registry).gather()
    finals = [(one.recipe, one.final) for one in plan.outcomes if one.final is not None]
    return {name: (_summed(final.validation), _summed(final.held_out)) for name, final in finals}


def _summed(counted: Sequence[Evaluation] | None) -> list[Evaluation]:
    return [] if counted is None else sorted(by_domain(counted), key=lambda one: one.cell.domain)


def rehearsed(ground: Ground, files: Sequence[Path]) -> dict[str, tuple[Weights, Counts]]:
    """By a round's name: its digests and counts when it is rehearsed here, in a registry of its own."""
    folder = ground.folder / "rehearsal"
    registry = open_registry(folder / "registry")
    ground.enter(registry)
    nodes = tuple(read_node_settings(ground.node_file(name)) for name in NODES)
    site = RehearsalSite(str(folder / "registry"), nodes, folder / "home" / "rehearsal")
    rounds = rehearse_all([read_round_settings(file) for file in files], site)
    return {round.name: (weights_of(registry, round), counts_of(registry, round)) for round in rounds}
