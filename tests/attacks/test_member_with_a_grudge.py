"""A member of the federation, with data and an offer, who wants a result to be theirs or wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.change import Restore, RetractCounts
from ratatouille.exchange.membership import Lease, Stock
from registry.commands.verify import audit
from tests.attacks.registry_world import served_world, somebody
from tests.registry.world import STOCK, World, featurizer


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
        world.registry.weights.push(world.seal(receipt), {})
    assert world.registry.versions.show(str(start.version)).evaluations == ()


def test_counts_of_a_training_are_bounded_too(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, images=1001)
    world.lease(receipt)
    with pytest.raises(Refusal, match="trained on 1001 images; its node's offer has 1000"):
        world.registry.weights.push(world.seal(receipt), files)


def test_who_answered_first_in_anothers_time_takes_nothing_of_the_others_work(world: World) -> None:
    """Two holders of one fingerprint: the second one's answer stands, and the first is told so and kept."""
    start = world.probed()
    slow, files = world.fine_tune(start, 2)
    world.lease(slow, seconds=0)
    thief = somebody(world, "thief")
    thief.offer(name="thief")
    first = thief.work(*thief.fine_tune(start, 2, body=featurizer(77)))
    told = world.registry.weights.push(world.seal(slow), files)
    assert (told.node, told.receipt) == (thief.signer.node, first.receipt)
    assert told.receipt != slow.digest
    mine = next(one for one in world.registry.versions.contributors() if one.node == world.signer.node)
    assert mine.duplicates == 1


def test_a_retracted_receipt_does_not_return(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    made = world.work(receipt, files)
    world.maintainer.retract(str(made.version), "wrong labels")
    assert world.lease(receipt) is not None, "the question is open again"
    with pytest.raises(Refusal, match="was retracted, and does not come back by being pushed again"):
        world.registry.weights.push(world.seal(receipt), files)
    assert world.registry.work.results([receipt.work_id]) == {}
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
        world.registry.weights.push(world.seal(receipt), {})
    assert world.registry.versions.show(str(start.version)).evaluations == ()


def test_what_took_counts_back_does_so_once(world: World) -> None:
    receipt = world.evaluation(world.probed())
    world.work(receipt, {})
    change = world.signer.seal(RetractCounts(receipt=receipt.digest, message="wrong images", at=time.time()))
    world.registry.releases.retract_counts(change)
    world.maintainer.restore(receipt.digest, "they were right")
    world.work(receipt, {})
    world.registry.releases.retract_counts(change)
    assert receipt.work_id in world.registry.work.results([receipt.work_id])


def test_who_kept_a_restoration_from_before_does_not_undo_a_retraction_with_it(world: World) -> None:
    receipt = world.evaluation(world.probed())
    world.work(receipt, {})
    old = world.signer.seal(Restore(receipt=receipt.digest, message="for later", at=time.time() - 3600.0))
    world.maintainer.retract_counts(receipt.digest, "wrong images")
    with pytest.raises(Refusal, match=r"signed before receipt .* was taken back"):
        world.registry.releases.restore(old)
    world.lease(receipt)
    with pytest.raises(Refusal, match="was retracted"):
        world.registry.weights.push(world.seal(receipt), {})


@pytest.mark.parametrize(
    ("counts", "confusion", "cell"),
    [
        ({"sketch": {"test": (500,)}}, ((0, 0), (0, 1)), Cell(domain="sketch", split="test")),
        ({"sketch": {}}, ((1, 0), (0, 0)), Cell(domain="sketch", split="test")),
        ({}, ((1, 0), (0, 0)), Cell(domain="sketch", split="all")),
    ],
)
def test_an_offer_that_fits_its_task_badly_allows_fewer_counts_and_breaks_nothing(
    world: World, counts: dict[str, dict[str, tuple[int, ...]]], confusion: tuple[tuple[int, ...], ...], cell: Cell
) -> None:
    odd = STOCK.holding.model_validate({**STOCK.holding.model_dump(), "counts": counts, "fingerprint": "a" * 64})
    world.offer(Stock(odd, b"q" * 32))
    receipt = world.evaluation(world.probed(), confusion, cell, fingerprint="a" * 64)
    assert world.registry.work.lease(world.signer.seal(Lease.on(receipt.assignment, receipt.node))) is not None
    with pytest.raises(Refusal, match="its node's offer has 0"):
        world.registry.weights.push(world.seal(receipt), {})


def test_no_images_of_a_domain_that_the_offer_lacks_may_be_counted(world: World) -> None:
    receipt = world.evaluation(world.probed(), ((0, 0), (0, 0)), Cell(domain="moon", split="test"))
    world.work(receipt, {})
    assert receipt.work_id in world.registry.work.results([receipt.work_id])


def test_counts_of_images_are_bounded_so_that_whoever_divides_them_can() -> None:
    with pytest.raises(ValueError, match="less than or equal to"):
        STOCK.holding.model_validate({**STOCK.holding.model_dump(), "counts": {"sketch": {"test": (10**400, 1)}}})
