"""A contributor whose version is under review counts it themselves, with the node that made it or with another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Mixture, Weighted
from ratatouille.exchange.membership import Lease
from ratatouille.exchange.receipt import Comparison, Evaluation, Receipt
from ratatouille.exchange.signing import Signer
from registry.records import Result
from tests.attacks.registry_world import served_world, somebody
from tests.registry.person import Person
from tests.registry.world import FINGERPRINT, NETWORK, PETS, World

CELL = Cell(domain="photo", split="validation")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as found:
        yield found


def review_of(world: World, version: Result) -> Receipt:
    """Perfect counts of a version, as its maker would like to have them."""
    network = Mixture(featurizer=(Weighted(part=str(version.featurizer)),), head=(Weighted(part=str(version.head)),))
    work = Compare(
        architecture=NETWORK.digest,
        task=PETS.digest,
        fingerprint=FINGERPRINT,
        image_size=8,
        networks=(network,),
        cells=(CELL,),
        about=str(version.version),
    )
    perfect = Comparison(networks=((Evaluation(cell=CELL, confusion=((8, 0), (0, 8))),),))
    return Receipt(assignment=work, node=world.signer.node, comparison=perfect)


def lease_without_saying(world: World, receipt: Receipt) -> None:
    """A liar's lease does not say what the question is about."""
    lease = Lease.on(receipt.assignment, receipt.node, 60.0).model_copy(update={"about": None})
    assert world.registry.work.lease(world.signer.seal(lease)) is not None


def kept(world: World) -> set[str]:
    return {one.kind for one in world.registry.work.submissions([world.signer.node])}


def test_a_maker_counts_its_own_version_only_where_no_other_member_offers_the_data(world: World) -> None:
    version = world.tuned(world.probed(), 1)
    receipt = review_of(world, version)
    other = somebody(world, "other")
    other.offer()
    with pytest.raises(Refusal, match=r"under review and was made by the member of node .*; another member offers"):
        world.lease(receipt)
    lease_without_saying(world, receipt)
    with pytest.raises(Refusal, match=r"under review and was made by the member of node .*; another member offers"):
        world.registry.weights.push(world.seal(receipt), {})
    assert "compare" not in kept(world)
    world.release(receipt.work_id)
    theirs = review_of(other, version)
    assert other.work(theirs, {}).node == other.signer.node


def test_the_maker_counts_once_the_other_member_has_left(world: World) -> None:
    version = world.tuned(world.probed(), 1)
    receipt = review_of(world, version)
    other = somebody(world, "other")
    other.offer()
    other.leave()
    assert world.work(receipt, {}).node == world.signer.node


def test_a_question_about_no_version_of_the_task_is_no_review(world: World) -> None:
    start = world.probed()
    receipt = review_of(world, world.tuned(start, 1))
    strange = receipt.assignment.model_copy(update={"about": "0" * 64})
    with pytest.raises(Refusal, match="is under review, and is no version here for this task"):
        world.work(receipt.model_copy(update={"assignment": strange}), {})


def test_another_node_of_the_same_member_is_not_another_member(world: World) -> None:
    owner, anna = Person(world.registry, 1, "olga"), Person(world.registry, 2, "anna")
    anna.joined(owner)
    attic, cellar = (World(world.registry, world.folder, Signer.of_seed(seed * 32)) for seed in (b"a", b"c"))
    for node, name in ((attic, "attic"), (cellar, "cellar")):
        anna.add_node(node.signer, name)
    start = world.probed()
    version = attic.tuned(start, 1)
    receipt = review_of(cellar, version)
    cellar.offer(name="cellar")
    with pytest.raises(Refusal, match="another member offers"):  # the world's own node does
        cellar.lease(receipt)
    world.leave()
    assert cellar.work(receipt, {}).node == cellar.signer.node
