"""kill -9 at each commit point of a retraction: nothing is half done, and repeating ends it."""

import pytest

from ratatouille.exchange.change import Retract
from ratatouille.exchange.version import Combination, Parent
from registry.records import Entry, Retraction
from tests.registry.killed import DIED, run
from tests.registry.world import World

POINTS = {
    "before the first average": "registry.retraction:make_again:before",
    "between a replacement's files and its rows": "registry.averages:check_parents:before",
    "between two averages": "registry.retraction:combine:after",
    "between the averages and the transaction": "registry.retraction:make_again:after",
    "before the first row": "registry.retraction:enter_change:before",
    "after the change, before the states": "registry.retraction:enter_change:after",
    "before the alias follows": "registry.retraction:follow:before",
    "before the answer is kept": "registry.retraction:keep_outcome:before",
    "before the transaction ends": "registry.retraction:_enter:after",
}
BEFORE_THE_ACKNOWLEDGEMENT = "registry.services.releases:Releases.retract:after"


@pytest.fixture
def world(world: World) -> World:
    """Two averages, one above the other, and an alias."""
    start = world.probed()
    members = [str(world.tuned(start, seed).version) for seed in (2, 3, 4)]
    inner = world.registry.work.combine(Combination(parents=tuple(Parent(version=id) for id in members[:2])))
    above = tuple(Parent(version=str(id)) for id in (inner.version, members[2]))
    outer = world.registry.work.combine(Combination(parents=above, purpose="outer"))
    world.maintainer.release(str(outer.version), "stable")
    change = Retract(version=members[0], message="wrong labels", author="anna", at=1.0)
    (world.folder / "sealed.json").write_bytes(world.signer.seal(change).to_json())
    return world


def entries(world: World) -> list[Entry]:
    return world.registry.versions.log(limit=100)


def died(world: World, point: str) -> None:
    found = run(point, world.folder.parent / "registry", "retract", world.folder / "sealed.json")
    assert found.returncode == DIED


def finish(world: World) -> Retraction:
    found = run("-", world.folder.parent / "registry", "retract", world.folder / "sealed.json")
    assert found.returncode == 0
    return Retraction.from_json(found.answer)


def is_over(world: World, done: Retraction) -> None:
    states = {entry.id: entry.state for entry in entries(world)}
    assert [states[one] for one in (done.version, *(one.version for one in done.averages))] == ["retracted"] * 3
    assert world.registry.releases.aliases() == {"stable": done.averages[1].replacement}
    assert [move.version for move in world.registry.releases.alias_history("stable")] == [
        done.averages[1].replacement,
        done.averages[1].version,
    ]
    assert world.registry.releases.retractions() == [done]
    assert all(world.registry.versions.verify(entry.id).ok for entry in entries(world))


@pytest.mark.parametrize(
    ("world", "point"),
    [("folder", point) for point in POINTS] + [("postgresql", "before the transaction ends")],
    indirect=["world"],
)
def test_killed_in_a_retraction_nothing_is_retracted_and_repeating_ends_it(world: World, point: str) -> None:
    before = {entry.id: entry for entry in entries(world)}
    died(world, POINTS[point])
    now = {entry.id: entry for entry in entries(world)}
    assert {id: now[id] for id in before} == before
    assert {entry.state for entry in now.values()} == {"admitted"}
    assert all(world.registry.versions.verify(id).ok for id in now)
    assert world.registry.releases.retractions() == []
    is_over(world, finish(world))
    assert len(entries(world)) == len(before) + 2


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_killed_before_the_acknowledgement_it_is_done_and_answered_again(world: World) -> None:
    died(world, BEFORE_THE_ACKNOWLEDGEMENT)
    done = world.registry.releases.retractions()[0]
    assert finish(world) == done
    is_over(world, done)
