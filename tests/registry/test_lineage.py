"""Walks through the history, up and down, over every implementation."""

from __future__ import annotations

from ratatouille.exchange.version import Combination, Parent
from registry.history.lineage import SHALLOW
from registry.records import LineageRow, Result
from tests.registry.world import World


def mean(world: World, *members: Result) -> Result:
    parents = tuple(Parent(version=str(one.version), coefficient=place) for place, one in enumerate(members, 1))
    return world.registry.work.combine(Combination(parents=parents))


def repeated(version: str, times: int) -> Combination:
    return Combination(parents=(Parent(version=version),) * times)


def edges(rows: list[LineageRow]) -> list[tuple[int, str | None, str, int | float | None]]:
    return [(row.depth, row.through, row.entry.id, row.coefficient) for row in rows]


def test_descendants_are_walked_breadth_first_with_the_coefficients_that_lead_to_them(world: World) -> None:
    start = world.probed()
    a, b = world.tuned(start, 2), world.tuned(start, 3)
    both = mean(world, a, b)
    assert edges(world.registry.versions.lineage(str(start.version), descendants=True)) == [
        (0, None, start.version, None),
        (1, start.version, a.version, 1),
        (1, start.version, b.version, 1),
        (2, a.version, both.version, 1),
        (2, b.version, both.version, 2),
    ]
    assert len(world.registry.versions.lineage(str(start.version), 1, descendants=True)) == 3
    assert len(world.registry.versions.lineage(str(both.version), descendants=True)) == 1


def test_a_long_version_in_very_many_rows_is_no_answer_without_end(world: World) -> None:
    tuned = world.tuned(world.probed(), 1)
    long = Parent(version=str(world.registry.work.combine(repeated(str(tuned.version), 5000)).version))
    longer = world.registry.work.combine(repeated(long.version, 200))
    rows = world.registry.versions.lineage(str(longer.version), depth=1)
    assert 2 <= len(rows) < 100
    assert {row.entry.id for row in rows} == {longer.version, long.version}


def test_a_version_that_is_near_and_far_is_as_near_as_it_can_be_and_walked_from_once(world: World) -> None:
    start = world.probed()
    a = world.tuned(start, 2)
    inner = mean(world, a, start)
    outer = mean(world, inner, start)
    rows = world.registry.versions.lineage(str(outer.version))
    assert [(row.depth, row.entry.id) for row in rows][:5] == [
        (0, outer.version),
        (1, inner.version),
        (1, start.version),
        (2, a.version),
        (2, start.version),
    ]
    foundation = [row for row in rows if row.entry.version.rule.name == "import"]
    assert [(row.depth, row.through) for row in foundation] == [(2, start.version)]


def test_a_depth_cuts_the_walk_whether_it_is_shallow_or_deep(world: World) -> None:
    top = world.tuned(world.probed(), 2)
    for seed in range(3, 4 + SHALLOW):
        top = world.tuned(top, seed)
    whole = world.registry.versions.lineage(str(top.version), depth=1000)
    assert [row.depth for row in whole] == list(range(SHALLOW + 4))
    for depth in range(SHALLOW + 4):
        assert world.registry.versions.lineage(str(top.version), depth) == whole[: depth + 1]
