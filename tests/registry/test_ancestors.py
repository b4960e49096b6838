"""What a version is made of: shares over all ways in, and where that began."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.exchange.version import Combination, Parent
from registry.exports.folders.importing import push_parts, read_checkpoint
from registry.presentation.lineage import origins, trained_size
from registry.records import Result
from tests.registry.checkpoint import saved
from tests.registry.world import PETS, World, featurizer, head


def mixed(world: World, *parts: tuple[Result, int | float]) -> Result:
    """A combination with coefficients."""
    parents = tuple(Parent(version=str(one.version), coefficient=coefficient) for one, coefficient in parts)
    return world.registry.work.combine(Combination(parents=parents))


def shares(world: World, result: Result) -> dict[str, float]:
    found = world.registry.versions.contributions(str(result.version))
    return {one.entry.id: one.share for one in found}


def test_an_average_is_made_of_its_members_in_equal_shares(world: World) -> None:
    start = world.probed()
    runs = [world.tuned(start, seed) for seed in (1, 2, 3, 4)]
    found = shares(world, mixed(world, *((run, 1) for run in runs)))
    assert found == {str(run.version): 0.25 for run in runs}


def test_averages_of_averages_are_followed_and_ways_add_up(world: World) -> None:
    start = world.probed()
    first, second, third = (world.tuned(start, seed) for seed in (1, 2, 3))
    pair = mixed(world, (first, 1), (second, 1))
    both = mixed(world, (pair, 1), (second, 3))
    top = mixed(world, (both, 2), (pair, 1), (third, 1))
    # both = 1/8 first + 7/8 second; top = both / 2 + pair / 4 + third / 4
    assert shares(world, top) == pytest.approx(
        {
            str(second.version): 7 / 16 + 1 / 8,
            str(third.version): 1 / 4,
            str(first.version): 1 / 16 + 1 / 8,
        }
    )
    assert next(iter(shares(world, top))) == second.version


def test_an_extrapolation_has_a_negative_share(world: World) -> None:
    start = world.probed()
    first, second = world.tuned(start, 1), world.tuned(start, 2)
    beyond = mixed(world, (first, 1.5), (second, -0.5))
    assert shares(world, beyond) == {str(first.version): 1.5, str(second.version): -0.5}


def test_a_training_is_its_own_only_member_and_began_at_the_foundation(world: World) -> None:
    start = world.probed()
    trained = world.tuned(start, 1)
    assert shares(world, trained) == {str(trained.version): 1.0}
    (foundation,) = origins(world.registry.versions.lineage(str(trained.version)))
    assert (foundation.version.rule.name, foundation.message) == ("import", "the sea")


def test_the_size_of_images_is_that_of_the_training_or_of_the_ancestors(world: World, tmp_path: Path) -> None:
    start = world.probed()
    trained = world.tuned(start, 1)
    average = mixed(world, (trained, 1), (world.tuned(start, 2), 1))
    parts = read_checkpoint(
        world.registry, saved(tmp_path, featurizer(9), head(9)), str(average.version), PETS, tmp_path
    )
    imported, _ = push_parts(world.registry, world.signer, parts)

    def size(id: object) -> int | None:
        return trained_size(world.registry, world.registry.versions.show(str(id)))

    assert [size(one.version) for one in (trained, average, imported)] == [8, 8, 8]
    assert size(world.registry.versions.show(str(start.version)).entry.version.parents[0].version) is None
