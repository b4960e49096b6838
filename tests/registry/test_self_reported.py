"""Scores that only the member who made a version counted are marked, in rankings, entries and evaluations."""

from __future__ import annotations

from pathlib import Path

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.presentation.scores import score_lines
from registry.records import Ranked
from tests.registry.person import Person
from tests.registry.world import SKETCHES, World


def ranked(world: World, split: str) -> dict[str, Ranked]:
    return {one.entry.id: one for one in world.registry.versions.best("pets", split=split).versions}  # type: ignore[arg-type]


def test_a_score_is_self_reported_until_another_member_counts(world: World, tmp_path: Path) -> None:
    start = world.probed()
    version, rival = world.tuned(start, 1), world.tuned(start, 2)
    id, other = str(version.version), str(rival.version)
    assert {one.self_reported for one in ranked(world, "validation").values()} == {True}
    world.work(world.evaluation(version), {})
    second = World(world.registry, world.folder, Signer.open(tmp_path / "second.key"))
    second.work(second.evaluation(rival), {})
    found = ranked(world, "test")
    assert (found[id].self_reported, found[other].self_reported) == (True, False)
    assert [one.self_reported for one in ranked(world, "validation").values()] == [True, True]
    details = world.registry.versions.show(other)
    marks = {one.evaluation.cell.split: one.self_reported for one in details.evaluations}
    assert marks == {"validation": True, "test": False}
    assert {one.split: one.self_reported for one in score_lines(details.evaluations)} == marks
    assert details.entry.score is not None
    assert not details.entry.score.self_reported
    mine = world.registry.versions.show(id).entry.score
    assert mine is not None
    assert mine.self_reported


def test_another_node_of_the_same_member_confirms_nothing(world: World) -> None:
    owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
    anna.joined(owner)
    attic, cellar = (World(world.registry, world.folder, Signer.of_seed(seed * 32)) for seed in (b"a", b"c"))
    for node, name in ((attic, "attic"), (cellar, "cellar")):
        anna.add_node(node.signer, name)
    version = attic.tuned(world.probed(), 1)
    cellar.work(cellar.evaluation(version), {})
    assert ranked(world, "test")[str(version.version)].self_reported
    world.work(world.evaluation(version, cell=SKETCHES, fingerprint="7" * 64), {})  # a stranger's own sketches
    assert not ranked(world, "test")[str(version.version)].self_reported


def test_an_average_has_no_maker_and_a_domain_is_looked_at_alone(world: World, tmp_path: Path) -> None:
    start = world.probed()
    first, second = world.tuned(start, 1), world.tuned(start, 2)
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    average = world.registry.work.combine(Combination(parents=parents))
    world.work(world.evaluation(average), {})
    world.work(world.evaluation(first), {})
    other = World(world.registry, world.folder, Signer.open(tmp_path / "other.key"))
    other.work(other.evaluation(first, cell=Cell(domain="photo", split="test")), {})
    assert not ranked(world, "test")[str(first.version)].self_reported
    on_sketches = {one.entry.id: one for one in world.registry.versions.best("pets", "sketch", "test").versions}
    assert on_sketches[str(first.version)].self_reported
    assert not on_sketches[str(average.version)].self_reported
