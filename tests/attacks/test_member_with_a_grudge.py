"""A member of the federation, with data and an offer, who wants a result to be theirs or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from registry.audit.walk import audit
from tests.attacks.registry_world import served_world, somebody
from tests.registry.world import World, featurizer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("confusion", "cell"),
    [
        (((500, 0), (0, 3_000_000)), Cell(domain="sketch", split="test")),
        (((0, 0), (0, 501)), Cell(domain="sketch", split="test")),
        (((1501, 0), (0, 0)), Cell(domain="sketch", split="all")),
        (((1, 0), (0, 0)), Cell(domain="moon", split="test")),
    ],
)
def test_counts_above_the_published_ones_are_refused(
    world: World, confusion: tuple[tuple[int, ...], ...], cell: Cell
) -> None:
    start = world.probed()
    receipt = world.evaluation(start, confusion, cell)
    world.lease(receipt)
    with pytest.raises(Refusal, match=r"images of .*its node's offer has"):
        world.registry.push(world.seal(receipt), {})
    assert world.registry.show(str(start.version)).evaluations == ()


def test_counts_of_a_training_are_bounded_too(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, images=1001)
    world.lease(receipt)
    with pytest.raises(Refusal, match="trained on 1001 images; its node's offer has 1000"):
        world.registry.push(world.seal(receipt), files)


def test_who_answered_first_in_anothers_time_takes_nothing_of_the_others_work(world: World) -> None:
    """Two holders of one fingerprint: the second one's answer stands, and the first is told so and kept."""
    start = world.probed()
    slow, files = world.fine_tune(start, 2)
    world.lease(slow, seconds=0)
    thief = somebody(world, "thief")
    thief.offer(name="thief")
    first = thief.work(*thief.fine_tune(start, 2, body=featurizer(77)))
    told = world.registry.push(world.seal(slow), files)
    assert (told.node, told.receipt) == (thief.signer.node, first.receipt)
    assert told.receipt != slow.digest
    mine = next(one for one in world.registry.contributors() if one.node == world.signer.node)
    assert mine.duplicates == 1


def test_a_retracted_receipt_does_not_return(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    made = world.work(receipt, files)
    world.maintainer.retract(str(made.version), "wrong labels")
    assert world.lease(receipt) is not None, "the question is open again"
    with pytest.raises(Refusal, match="was retracted, and does not come back by being pushed again"):
        world.registry.push(world.seal(receipt), files)
    assert world.registry.results([receipt.work_id]) == {}
    with pytest.raises(Refusal, match="nothing to restore"):
        world.maintainer.restore("5" * 64, "please")
    world.maintainer.restore(receipt.digest, "the labels were right")
    assert world.work(receipt, files).version == made.version
    assert audit(world.registry).ok


def test_counts_that_were_taken_back_do_not_return(world: World) -> None:
    start = world.probed()
    receipt = world.evaluation(start)
    world.work(receipt, {})
    world.maintainer.retract_counts(receipt.digest, "wrong images")
    world.lease(receipt)
    with pytest.raises(Refusal, match="was retracted"):
        world.registry.push(world.seal(receipt), {})
    assert world.registry.show(str(start.version)).evaluations == ()
