"""Somebody who made a key and read the source: they have no data, no node and no invitation.

What they say changes nothing of a round: they take no lease, answer nothing, and offer no data that they do not have.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.membership import Lease, LeaseReturn, Offer, OfferWithdrawal, Possession, Stock, make_offer
from ratatouille.exchange.signing import Sealed, Signer, unseal
from ratatouille.tasks.holding import Holding
from registry.contributions.push import Push
from registry.services.local import LocalRegistry
from tests.attacks.registry_world import served_world, somebody
from tests.registry.world import STOCK, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as made:
        yield made


def offered(world: World) -> Offer:
    """What everybody can read of the honest node."""
    return next(one for one in world.registry.work.offers() if one.node == world.signer.node)


def test_no_lease_without_an_offer_of_the_data(world: World) -> None:
    start = world.probed()
    question = world.question(start, 2)
    stranger = somebody(world, "stranger")
    with pytest.raises(Unreachable, match="does not offer the data of this work"):
        world.registry.work.lease(stranger.signer.seal(Lease.on(question, stranger.signer.node, 600.0)))
    assert world.registry.work.leases() == []
    assert world.lease(world.fine_tune(start, 2)[0]) is not None


def test_no_answer_without_an_offer_of_the_data(world: World) -> None:
    start = world.probed()
    stranger = somebody(world, "stranger")
    noise, files = stranger.fine_tune(start, 2)
    count = stranger.evaluation(start, ((0, 0), (0, 3_000_000)))
    for receipt, weights in ((noise, files), (count, {})):
        with pytest.raises(Unreachable, match="does not offer the data of this work"):
            world.registry.weights.push(stranger.seal(receipt), weights)
    assert world.registry.work.results([noise.work_id, count.work_id]) == {}
    assert world.registry.versions.show(str(start.version)).evaluations == ()
    assert len(world.registry.versions.log()) == 2


def test_a_fingerprint_that_was_only_read_cannot_be_offered(world: World) -> None:
    holding = offered(world).holdings[0]
    stranger = somebody(world, "stranger")
    own_key = make_offer(stranger.signer, "stranger", [Stock(holding, b"s" * 32)])
    with pytest.raises(Refusal, match="was offered first by a node that proved that it has the data"):
        world.registry.work.offer(own_key)
    copied = Offer(
        node=stranger.signer.node,
        name="stranger",
        holdings=(holding,),
        proofs=offered(world).proofs,
        issued=time.time(),
    )
    with pytest.raises(Refusal, match="proves another holding"):
        world.registry.work.offer(stranger.signer.seal(copied))
    without = copied.model_copy(update={"proofs": ()})
    with pytest.raises(Refusal, match="names 1 holdings and proves 0"):
        world.registry.work.offer(stranger.signer.seal(without))
    forged = unseal(own_key, Offer).proofs[0].model_copy(update={"node": offered(world).proofs[0].node})
    with pytest.raises(Refusal, match=f"signature of this {Possession.__name__.lower()}"):
        world.registry.work.offer(stranger.signer.seal(copied.model_copy(update={"proofs": (forged,)})))
    assert [one.name for one in world.registry.work.offers()] == ["zoo"]


def test_a_replica_that_has_the_data_offers_and_answers(world: World) -> None:
    """Whoever has the same images, labels and secret computes the same key: nobody must ask the first node."""
    start = world.probed()
    replica = somebody(world, "replica")
    replica.offer(STOCK, name="replica")
    assert replica.work(*replica.fine_tune(start, 2)).node == replica.signer.node


def test_an_own_fingerprint_answers_no_question_about_other_data(world: World) -> None:
    start = world.probed()
    stranger = somebody(world, "stranger")
    own = Stock(STOCK.holding.model_copy(update={"fingerprint": "5" * 64}), b"s" * 32)
    stranger.offer(own, name="stranger")
    receipt, files = stranger.fine_tune(start, 2)
    pretended = Lease.on(receipt.assignment, stranger.signer.node, 600.0).model_copy(update={"fingerprint": "5" * 64})
    assert world.registry.work.lease(stranger.signer.seal(pretended)) is not None, "a work id does not tell its data"
    with pytest.raises(Unreachable, match="does not offer the data of this work"):
        world.registry.weights.push(stranger.seal(receipt), files)
    honest, weights = world.fine_tune(start, 2)  # and the pretended lease keeps nobody out
    assert world.work(honest, weights).node == world.signer.node


def test_leases_are_taken_freed_and_ended_by_their_own_key_only(world: World) -> None:
    start = world.probed()
    receipt, _ = world.fine_tune(start, 2)
    stranger = somebody(world, "stranger")
    node = world.signer.node
    in_their_name = Lease.on(receipt.assignment, node, 600.0)
    with pytest.raises(Refusal, match="is signed by another key"):
        world.registry.work.lease(stranger.signer.seal(in_their_name))
    held = world.lease(receipt)
    given = LeaseReturn(work_id=receipt.work_id, node=node, issued=time.time())
    with pytest.raises(Refusal, match="is signed by another key"):
        world.registry.work.release(stranger.signer.seal(given))
    with pytest.raises(Refusal, match="is signed by another key"):
        world.registry.work.withdraw_offer(stranger.signer.seal(OfferWithdrawal(node=node, issued=time.time())))
    assert world.registry.work.leases() == [held]
    assert offered(world).name == "zoo"


def test_what_was_captured_and_is_sent_again_does_nothing(world: World) -> None:
    start = world.probed()
    receipt, _ = world.fine_tune(start, 2)
    node = world.signer.node

    def sealed(seconds: float) -> Sealed:
        return world.signer.seal(Lease.on(receipt.assignment, node, seconds))

    first = sealed(60.0)
    world.registry.work.lease(first)
    world.registry.work.release(
        returned := world.signer.seal(LeaseReturn(work_id=receipt.work_id, node=node, issued=time.time()))
    )
    with pytest.raises(Unreachable, match="before the last one"):
        world.registry.work.lease(first)  # to keep a question from other holders
    assert world.registry.work.leases() == []
    again = world.registry.work.lease(sealed(60.0))
    with pytest.raises(Unreachable, match="before the last one"):
        world.registry.work.release(returned)  # to free it for oneself
    assert world.registry.work.leases() == [again]
    offer = make_offer(world.signer, "zoo", [STOCK])
    world.registry.work.offer(offer)
    world.leave()
    with pytest.raises(Unreachable, match="before the last one"):
        world.registry.work.offer(offer)
    assert world.registry.work.offers() == []


def test_many_leases_and_large_offers_of_one_key_keep_nobody_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.contributions.membership.NODE_LEASES", 5)
    start = world.probed()
    greedy = somebody(world, "greedy")
    greedy.offer(Stock(STOCK.holding.model_copy(update={"fingerprint": "5" * 64}), b"s" * 32), name="greedy")
    works = [greedy.question(start, seed).model_copy(update={"fingerprint": "5" * 64}) for seed in range(6)]
    for work in works[:5]:
        granted = world.registry.work.lease(greedy.signer.seal(Lease.on(work, greedy.signer.node, 7 * 24 * 3600.0)))
        assert granted is not None
        assert granted.expires < time.time() + 601, "leases last minutes"
    with pytest.raises(Unreachable, match="holds 5 leases, which are the most for one"):
        world.registry.work.lease(greedy.signer.seal(Lease.on(works[5], greedy.signer.node)))
    assert world.lease(world.fine_tune(start, 2)[0]) is not None


def test_large_offers_leave_room_for_small_ones(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(make_offer(world.signer, "zoo", [STOCK]).to_json())
    monkeypatch.setattr("registry.contributions.membership.LARGE_OFFER", 2 * size)
    monkeypatch.setattr("registry.contributions.membership.PAGE_CHARACTERS", 24 * size)
    for number in range(2):
        somebody(world, f"large{number}").offer(*_many(number), name=f"large{number}")
    with pytest.raises(Unreachable, match="the large offers that stand have"):
        somebody(world, "large2").offer(*_many(2), name="large2")
    newcomer = somebody(world, "newcomer")
    newcomer.offer(name="newcomer")
    assert "newcomer" in [one.name for one in world.registry.work.offers()]


def _many(number: int) -> list[Stock]:
    return [_pretended(number * 10 + place) for place in range(5)]


def _pretended(number: int) -> Stock:
    holding: Holding = STOCK.holding.model_copy(update={"fingerprint": f"{number:064x}"})
    return Stock(holding, number.to_bytes(32, "big"))


def test_keys_that_promise_all_the_room_and_leave_keep_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushes that are begun and broken off at once; each of them promised more than half of the room."""
    (tmp_path / "files").mkdir()
    local = LocalRegistry(tmp_path / "registry")
    world = World(local, tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    receipt, files = world.foundation_receipt(7)
    size = sum(path.stat().st_size for path in files.values())
    local.maintenance.configure("reserve_bytes", 0)
    disk = shutil.disk_usage(tmp_path)._replace(free=3 * size // 2)  # a disk that others fill meanwhile is no ruler
    monkeypatch.setattr("registry.blobs.inbox.shutil.disk_usage", lambda path: disk)
    for number in range(10):
        other = somebody(world, f"free{number}")
        begun = local.publisher.begin(other.seal(other.foundation_receipt(100 + number)[0]))
        assert isinstance(begun, Push)
        assert local.maintenance.usage().promised_bytes == size
        begun.close()
        assert local.maintenance.usage().promised_bytes == 0
    assert local.weights.push(world.seal(receipt), files).version
    local.close()


def test_a_promise_of_somebody_who_died_ends_after_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "files").mkdir()
    local = LocalRegistry(tmp_path / "registry")
    world = World(local, tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    receipt, _ = world.foundation_receipt(7)
    begun = local.publisher.begin(world.seal(receipt))
    assert isinstance(begun, Push)
    assert local.maintenance.usage().promised_bytes > 0
    monkeypatch.setattr("registry.ledger.claims.PROMISE_SECONDS", 0.2)
    time.sleep(0.3)
    assert local.maintenance.usage().promised_bytes == 0
    begun.close()
    local.close()
