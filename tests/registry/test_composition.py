"""What averages of averages are made of, over every implementation."""

from __future__ import annotations

from ratatouille.exchange.version import Combination, Parent
from registry.records import Result
from tests.registry.world import World


def mean(world: World, *members: tuple[Result, int | float]) -> Result:
    parents = tuple(Parent(version=str(one.version), coefficient=weight) for one, weight in members)
    return world.registry.work.combine(Combination(parents=parents))


def shares(world: World, result: Result) -> dict[str, str | None]:
    return {one.entry.id: one.exact for one in world.registry.versions.contributions(str(result.version))}


def test_shares_are_multiplied_through_averages_of_averages_exactly(world: World) -> None:
    start = world.probed()
    a, b, c, d = (world.tuned(start, seed) for seed in (2, 3, 4, 5))
    inner = mean(world, (a, 1), (b, 1), (c, 1))
    outer = mean(world, (inner, 2), (c, 1), (d, 1))
    found = world.registry.versions.contributions(str(outer.version))
    assert [(one.entry.id, one.exact) for one in found] == [
        (c.version, "5/12"),
        (d.version, "1/4"),
        (a.version, "1/6"),
        (b.version, "1/6"),
    ]
    assert sum(one.share for one in found) == 1
    assert {one.entry.node for one in found} == {world.signer.node}


def test_what_is_no_average_is_made_of_itself(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    assert shares(world, tuned) == {tuned.version: "1"}
    assert shares(world, mean(world, (tuned, 3), (start, 1))) == {tuned.version: "3/4", start.version: "1/4"}


def test_a_mix_may_extrapolate_and_a_coefficient_of_zero_leaves_no_trace(world: World) -> None:
    start = world.probed()
    a, b, c = (world.tuned(start, seed) for seed in (2, 3, 4))
    beyond = mean(world, (a, 1.5), (b, -0.5), (c, 0.0))
    found = world.registry.versions.contributions(str(beyond.version))
    assert [(one.entry.id, one.exact) for one in found] == [(a.version, "3/2"), (b.version, "-1/2")]
    assert [one.share for one in found] == [1.5, -0.5]


def test_fractions_that_nobody_reads_are_numbers_only(world: World) -> None:
    start = world.probed()
    a, b = world.tuned(start, 2), world.tuned(start, 3)
    found = world.registry.versions.contributions(str(mean(world, (a, 0.7), (b, 0.1)).version))
    assert [one.exact for one in found] == [None, None]
    assert [round(one.share, 12) for one in found] == [0.875, 0.125]


def test_mixes_of_mixes_end_although_their_fractions_do_not(world: World) -> None:
    start = world.probed()
    a, b = world.tuned(start, 2), world.tuned(start, 3)
    mixed = mean(world, (a, 0.1), (b, 0.7))
    for _ in range(60):
        mixed = mean(world, (mixed, 0.3), (b, 0.7))
    first, second = world.registry.versions.contributions(str(mixed.version))
    assert (first.entry.id, second.entry.id) == (b.version, a.version)
    assert abs(second.share - 0.125 * 0.3**60) < 1e-45
    assert first.share == 1.0


def test_a_training_that_kept_step_0_is_marked_among_the_contributions(world: World) -> None:
    start = world.probed()
    receipt, _ = world.fine_tune(start, 7)
    kept = receipt.model_copy(update={"featurizer": start.featurizer, "head": start.head, "kept_step": 0})
    same = world.work(kept, {})
    trained = world.tuned(start, 8)
    found = world.registry.versions.contributions(str(mean(world, (same, 1), (trained, 1)).version))
    assert {one.entry.id: one.untrained for one in found} == {str(same.version): True, str(trained.version): False}
