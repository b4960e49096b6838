"""What one node may take of a registry, over every implementation."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from registry.contributions.entitlements import DAY, HOUR
from registry.contributions.push import Push
from registry.schema import ContributionRow, TransferRow
from tests.registry.behind import direct, folder_of
from tests.registry.world import World

PAIR = 388 + 160
"""Bytes of a featurizer and a head of this small world."""


def set_to(world: World, **values: float) -> None:
    with closing(direct(world)) as registry:
        for name, value in values.items():
            registry.maintenance.configure(name, value)


def later(world: World, seconds: float) -> None:
    """Let everything that was sent be so much older."""
    with closing(direct(world)) as registry, registry.storage.database.write() as connection:
        connection.execute(update(ContributionRow).values(created=ContributionRow.created - seconds))
        moved = {"begun": TransferRow.begun - seconds, "changed": TransferRow.changed - seconds}
        connection.execute(update(TransferRow).values(**moved))


def of_another(world: World, name: str) -> World:
    return dataclasses.replace(world, signer=Signer.open(world.folder.parent / f"{name}.key"))


def nothing_came(world: World, receipt: Receipt) -> None:
    """Not a byte was taken, and the contribution was not thrown away: it may come again."""
    partial = folder_of(world) / "receiving" / str(receipt.featurizer)
    assert not partial.exists() or not partial.stat().st_size
    assert world.registry.work.results([receipt.work_id]) == {}


def test_a_node_pushes_so_many_bytes_a_day_and_others_as_many(world: World) -> None:
    set_to(world, node_bytes_per_day=2 * PAIR + 548 + 100)  # beside what made the beginning
    start = world.probed()
    for seed in (2, 3):
        world.tuned(start, seed)
    receipt, files = world.fine_tune(start, 4)
    with pytest.raises(
        Unreachable,
        match=rf"node {world.signer.node[:12]}… has pushed {3 * PAIR} bytes within a day, these weights have {PAIR}, "
        rf"and {3 * PAIR + 100} are the most \(node_bytes_per_day\); "
        r"push again at 20\d\d-\d\d-\d\d \d\d:\d\d UTC \(in 1[34]\d\d min\)",
    ):
        world.work(receipt, files)
    nothing_came(world, receipt)
    of_another(world, "berta").tuned(start, 5)
    later(world, DAY)
    assert world.registry.weights.push(world.seal(receipt), files).version is not None


def test_room_is_promised_for_the_moment_when_there_is_enough(world: World) -> None:
    start = world.probed()
    later(world, DAY)
    set_to(world, node_bytes_per_day=2 * PAIR)
    world.tuned(start, 2)
    later(world, DAY / 2)
    world.tuned(start, 3)
    receipt, files = world.fine_tune(start, 4)
    with pytest.raises(Unreachable, match=r"\(in 7[12]\d min\)"):
        world.work(receipt, files)
    later(world, DAY / 2 + 1)
    world.registry.weights.push(world.seal(receipt), files)


def test_weights_that_no_day_has_room_for_are_refused(world: World) -> None:
    start = world.probed()
    set_to(world, node_bytes_per_day=PAIR - 1)
    receipt, files = world.fine_tune(start, 4)
    with pytest.raises(
        Refusal, match=f"these weights have {PAIR} bytes, and a node may push {PAIR - 1} in a day"
    ) as told:
        world.work(receipt, files)
    assert not isinstance(told.value, Unreachable)
    nothing_came(world, receipt)


def test_bytes_that_are_here_already_cost_nothing(world: World) -> None:
    start = world.probed()
    world.tuned(start, 2)
    set_to(world, node_bytes_per_day=0)
    receipt, files = world.fine_tune(start, 2)
    again = receipt.model_copy(update={"assignment": world.question(start, 99)})
    assert world.work(again, files).version is not None
    assert world.work(world.evaluation(start), {}).evaluations


def test_a_push_that_broke_off_is_counted_once_and_one_that_was_bad_each_time(world: World) -> None:
    start = world.probed()
    later(world, DAY)
    set_to(world, node_bytes_per_day=2 * PAIR)
    receipt, files = world.fine_tune(start, 4)
    world.lease(receipt)
    for _ in range(5):
        broken_off(world, receipt, files)
    assert world.registry.weights.push(world.seal(receipt), files).version is not None
    bad, others = world.fine_tune(start, 5)
    swapped = {digest: files[str(receipt.featurizer)] for digest in others}
    with pytest.raises(Refusal, match="canonical"):
        world.work(bad, swapped)
    with pytest.raises(Unreachable, match="node_bytes_per_day"):
        world.registry.weights.push(world.seal(bad), others)


def test_a_push_that_goes_on_a_day_later_is_counted_then(world: World) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 4)
    world.lease(receipt)
    broken_off(world, receipt, files)
    later(world, DAY + 1)
    set_to(world, node_bytes_per_day=PAIR)
    assert world.registry.weights.push(world.seal(receipt), files).version is not None
    following, others = world.fine_tune(start, 5)
    with pytest.raises(Unreachable, match=rf"has pushed {PAIR} bytes within a day"):
        world.work(following, others)


def broken_off(world: World, receipt: Receipt, files: dict[str, Path]) -> None:
    """Begin a push, send a few bytes and break off, as a service would see it."""
    with closing(direct(world)) as registry:
        begun = registry.publisher.begin(world.seal(receipt))
        assert isinstance(begun, Push)
        with begun:
            digest, receiving = next(iter(begun.receiving.items()))
            begun.write(digest, files[digest].read_bytes()[receiving.received : receiving.received + 10])


def test_so_many_pushes_of_a_node_may_be_under_way_or_broken_off(world: World) -> None:
    start = world.probed()
    set_to(world, node_transfers=2, stale_seconds=3600)
    pending = [world.fine_tune(start, seed) for seed in (2, 3, 4)]
    for receipt, files in pending[:2]:
        world.lease(receipt)
        broken_off(world, receipt, files)
    third, files = pending[2]
    sentence = (
        r"has 2 pushes under way, and 2 are the most \(node_transfers\); .* given up at .* UTC \(in (59|60) min\)"
    )
    with pytest.raises(Unreachable, match=sentence):
        world.work(third, files)
    nothing_came(world, third)
    world.registry.weights.push(world.seal(pending[0][0]), pending[0][1])  # goes on, and ends
    assert world.registry.weights.push(world.seal(third), files).version is not None
    fourth, files = world.fine_tune(start, 5)
    world.lease(fourth)
    broken_off(world, fourth, files)
    later(world, 3601)
    assert world.tuned(start, 6).version is not None


def test_a_push_that_another_node_answered_first_is_under_way_no_more(world: World) -> None:
    start = world.probed()
    set_to(world, node_transfers=1)
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    broken_off(world, receipt, files)
    world.release(receipt.work_id)
    other = of_another(world, "berta")
    other.work(receipt.model_copy(update={"node": other.signer.node}), files)
    assert world.registry.weights.push(world.seal(receipt), files).node == other.signer.node
    assert world.tuned(start, 3).version is not None


def test_a_node_pushes_so_many_contributions_an_hour(world: World) -> None:
    start = world.probed()
    tuned = world.tuned(start, 2)
    set_to(world, node_contributions_per_hour=4)
    world.work(world.evaluation(start), {})
    receipt = world.evaluation(tuned)
    sentence = (
        r"has pushed 4 contributions within an hour, and 4 are the most \(node_contributions_per_hour\); push again at"
    )
    with pytest.raises(Unreachable, match=sentence):
        world.work(receipt, {})
    world.release(receipt.work_id)
    other = of_another(world, "berta")
    assert other.work(receipt.model_copy(update={"node": other.signer.node}), {}).node == other.signer.node
    later(world, HOUR)
    assert world.tuned(start, 3).version is not None


def test_a_restart_forgets_nothing(world: World) -> None:
    start = world.probed()
    set_to(world, node_contributions_per_hour=2, node_transfers=0)
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    with closing(direct(world)) as opened, pytest.raises(Unreachable, match="2 contributions within an hour"):
        opened.weights.push(world.seal(receipt), files)
    set_to(world, node_contributions_per_hour=3)
    with closing(direct(world)) as opened, pytest.raises(Unreachable, match=r"0 are the most .* the maintainers have"):
        opened.weights.push(world.seal(receipt), files)
