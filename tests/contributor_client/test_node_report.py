"""`node report`: trained alone and shared on a node's own images, from counts that are there, and never invented."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contributor_client.node_report import node_report
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.statistics import ahead_on_others
from ratatouille.exchange.version import Combination, Parent
from registry.records import Result, RoundRecord
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call
from tests.registry.world import World

PHOTOS = Cell(domain="photo", split="validation")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A registry in which a round has begun, and a node of this home."""
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        world = World(registry, tmp_path, Signer.open(tmp_path / "home" / "nodes" / "anna" / "key"))
        world.define()
        registry.rounds.request_round(
            RoundRecord(id="spring-1", name="spring", spec="{}", state="requested", created=time.time(), changed=1.0)
        )
        yield world


def trained(world: World, start: Result, seed: int, correct: int) -> Result:
    counts = Evaluation(cell=PHOTOS, confusion=((correct, 20 - correct), (0, 20)))
    return world.work(*world.fine_tune(start, seed, round="spring-1", evaluations=(counts,)))


def averaged(world: World, *members: Result) -> Result:
    parents = tuple(Parent(version=str(one.version)) for one in members)
    made = world.registry.work.combine(Combination(parents=parents), "spring-1")
    world.registry.rounds.name_result("spring-1", "ratatouille", str(made.version))
    return made


def test_the_best_training_of_a_node_is_compared_with_the_average_on_its_own_images(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = world.probed()
    made = [trained(world, start, seed, correct) for seed, correct in ((1, 10), (2, 12))]
    average = averaged(world, *made)
    world.work(world.evaluation(average, ((18, 2), (0, 20)), PHOTOS), {})
    (round,) = node_report(world.registry, world.signer.node, None, 5).rounds
    (row,) = round.compared
    assert round.missing == ()
    assert (row.alone, row.shared, row.images, row.trainings) == (32 / 40, 38 / 40, 40, 2)
    assert (row.alone_version, row.shared_version) == (made[1].version, average.version)
    assert (row.low, row.high) == ahead_on_others((32, 40), (38, 40)).interval
    assert not row.paired
    assert "shared is 15.0 points ahead" in row.sentence
    assert "shared is 2.5 points behind" in row.model_copy(update={"difference": -0.025}).sentence
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    asked = ("node", "report", "--remote", tmp_path / "registry")
    assert "trained alone 80.0 %, the best of 2 by these images, shared 95.0 %" in call(*asked).out
    assert call(*asked, "--round", "spring", "--json").json["rounds"][0]["compared"][0]["shared"] == 38 / 40


def test_counts_that_are_missing_are_named_with_the_reason(world: World) -> None:
    def missing() -> str:
        (round,) = node_report(world.registry, world.signer.node, "spring-1", 5).rounds
        assert round.compared == ()
        return " ".join(round.missing)

    assert "trained nothing in this round" in missing()
    start = world.probed()
    made = [trained(world, start, seed, 10) for seed in (1, 2)]
    assert "has named no average so far" in missing()
    averaged(world, *made)
    assert "the average was not counted on this node's validation images" in missing()


def test_a_training_that_came_without_counts_is_compared_with_nothing(world: World) -> None:
    start = world.probed()
    silent = [world.work(*world.fine_tune(start, seed, round="spring-1", evaluations=())) for seed in (1, 2)]
    average = averaged(world, *silent)
    world.work(world.evaluation(average, ((18, 2), (0, 20)), PHOTOS), {})
    (round,) = node_report(world.registry, world.signer.node, "spring-1", 5).rounds
    assert round.compared == ()
    assert "came without counts" in round.missing[0]


def test_a_node_that_trained_nowhere_has_an_empty_report(world: World) -> None:
    assert node_report(world.registry, "f" * 64, None, 5).rounds == ()


def test_a_training_that_started_from_another_nodes_is_not_alone(world: World, tmp_path: Path) -> None:
    start = world.probed()
    mine, signer = trained(world, start, 1, 10), world.signer
    world.signer = Signer.open(tmp_path / "bruno" / "key")
    others = trained(world, start, 2, 8)
    world.signer = signer
    helped = trained(world, others, 3, 20)
    average = averaged(world, mine, others, helped)
    world.work(world.evaluation(average, ((18, 2), (0, 20)), PHOTOS), {})
    (round,) = node_report(world.registry, world.signer.node, "spring-1", 5).rounds
    (row,) = round.compared
    assert (row.alone_version, row.trainings) == (mine.version, 1)
