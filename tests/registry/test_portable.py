"""What leaves a registry with its versions, over every kind of registry."""

from __future__ import annotations

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from registry.history import portable
from registry.records import Result
from tests.registry.world import World


@pytest.fixture
def made(world: World) -> dict[str, Result]:
    """Two trainings, and their average with counts and a tag."""
    start = world.probed()
    first, second = world.tuned(start, 2), world.tuned(start, 3)
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    average = world.registry.work.combine(Combination(parents=parents), "r1", "both")
    world.work(world.evaluation(average), {})
    world.maintainer.tag(str(average.version), "spring")
    return {"start": start, "first": first, "second": second, "average": average}


def test_ancestors_come_before_their_children_and_each_once(world: World, made: dict[str, Result]) -> None:
    start, first, second, average = (str(made[name].version) for name in ("start", "first", "second", "average"))
    base = world.registry.versions.show(start).entry.version.parents[0].version
    assert world.registry.versions.ancestry(["spring"]) == [base, start, first, second, average]
    assert world.registry.versions.ancestry(["spring"], depth=1) == [first, second, average]
    assert world.registry.versions.ancestry([second, first], depth=0) == [first, second]
    assert world.registry.versions.ancestry([]) == []
    with pytest.raises(Refusal, match="nobody"):
        world.registry.versions.ancestry(["nobody"])


def test_a_version_leaves_with_its_papers(world: World, made: dict[str, Result]) -> None:
    ids = [str(made[name].version) for name in ("average", "first")]
    average, first = world.registry.versions.portables(ids)
    assert [average.version.id, first.version.id] == ids
    assert (average.message, average.round, average.retraction, average.collected) == ("both", "r1", None, ())
    assert (first.message, first.round, first.seconds, first.evaluations, first.tags) == ("", None, 0, (), ())
    (tag,) = average.tags
    assert tag.node == world.signer.node
    papers = world.registry.versions.receipts([*average.evaluations, str(first.version.receipt)])
    kinds = [Receipt.from_json(sealed.body).assignment.kind for sealed in papers]
    assert kinds == ["evaluate", "fine_tune"]
    assert sha256(papers[1].body.encode()) == first.version.receipt
    with pytest.raises(Refusal, match="there is no version 000000000000"):
        world.registry.versions.portables(["0" * 64])
    with pytest.raises(Refusal, match="receipt 000000000000… is not known"):
        world.registry.versions.receipts(["0" * 64])


def test_lists_are_bounded(world: World, made: dict[str, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="101 versions are asked for at once; 100 are the most"):
        world.registry.versions.portables(["0" * 64] * 101)
    digests = [entry.version.receipt for entry in world.registry.versions.log() if entry.version.receipt]
    monkeypatch.setattr(portable, "ENOUGH", 1)
    assert len(world.registry.versions.receipts(digests)) == 1
    monkeypatch.setattr(portable, "MOST_VERSIONS", 4)
    with pytest.raises(Refusal, match="more than 4 ancestors; ask for fewer steps back, or make a backup"):
        world.registry.versions.ancestry(["spring"])
