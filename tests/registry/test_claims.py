"""The protocol between whoever needs weights and whoever removes them, played through at its dangerous moments."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination
from registry.blobs.folder import FolderStore
from registry.contributions.push import Push
from registry.ledger.claims import claimed, unowned
from registry.schema import BlobRow, UploadRow
from registry.services.local import LocalRegistry
from tests.registry.world import World, head


@pytest.fixture
def local(tmp_path: Path, beginning: Path) -> Iterator[LocalRegistry]:
    shutil.copytree(beginning, tmp_path, dirs_exist_ok=True)
    registry = LocalRegistry(tmp_path / "registry")
    yield registry
    registry.close()


@pytest.fixture
def world(local: LocalRegistry, tmp_path: Path) -> World:
    return World(local, tmp_path / "files", Signer.open(tmp_path / "node.key"))


def claims(local: LocalRegistry) -> dict[str, int]:
    with local.storage.database.read() as connection:
        return {row.digest: row.size for row in connection.execute(select(UploadRow.digest, UploadRow.size))}


def may_go(local: LocalRegistry, *digests: str) -> set[str]:
    with local.storage.database.write() as connection:
        return unowned(connection, local.blobs.inbox, digests)


def collect(local: LocalRegistry, *digests: str) -> set[str]:
    """What a gc does: under the write lock, and only what nobody claims."""
    with local.storage.database.write() as connection:
        gone = set(digests) - claimed(connection, local.blobs.inbox, digests)
        connection.execute(update(BlobRow).where(BlobRow.digest.in_(gone)).values(collected=time.time()))
        assert unowned(connection, local.blobs.inbox, gone) == gone
        for digest in gone:
            local.blobs.remove(digest)
    return gone


def lose_claims(local: LocalRegistry) -> None:
    """What befalls somebody who takes longer than `stale_seconds`."""
    with local.storage.database.write() as connection:
        connection.execute(delete(UploadRow))


def begin(world: World, local: LocalRegistry, receipt: Receipt) -> Push:
    world.lease(receipt)
    push = local.publisher.begin(world.seal(receipt))
    assert isinstance(push, Push)
    return push


def send(push: Push, files: dict[str, Path]) -> None:
    for digest, receiving in push.receiving.items():
        push.write(digest, files[digest].read_bytes()[receiving.received :])


def test_a_push_claims_what_comes_what_is_here_and_what_it_started_from_until_it_ends(
    world: World, local: LocalRegistry
) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2, top=head(1))
    assert receipt.head == start.head
    with begin(world, local, receipt) as push:
        assert claims(local) == {
            str(receipt.featurizer): files[str(receipt.featurizer)].stat().st_size,
            str(receipt.head): 0,
            str(start.featurizer): 0,
        }
        send(push, files)
        push.commit()
    assert claims(local) == {}


def test_what_a_push_found_here_is_not_collected_before_its_row_is_written(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    shared = world.tuned(start, 7)
    receipt, files = world.fine_tune(start, 2, top=head(7))
    with begin(world, local, receipt) as push:
        assert list(push.receiving) == [receipt.featurizer]
        assert collect(local, str(shared.head)) == set()
        send(push, files)
        result = push.commit()
    assert local.versions.verify(str(result.version)).ok
    assert collect(local, str(shared.head)) == {shared.head}


def test_a_push_that_was_too_slow_to_keep_what_it_found_here_is_told_to_push_again(
    world: World, local: LocalRegistry
) -> None:
    start = world.probed()
    shared = world.tuned(start, 7)
    receipt, files = world.fine_tune(start, 2, top=head(7))
    with begin(world, local, receipt) as push:
        lose_claims(local)
        assert collect(local, str(shared.head)) == {shared.head}
        send(push, files)
        with pytest.raises(Unreachable, match="were removed while they were needed; push again"):
            push.commit()
    result = local.weights.push(world.seal(receipt), files)
    assert local.versions.verify(str(result.version)).ok
    assert local.versions.verify(str(shared.version)).ok


def test_two_that_claim_the_same_end_their_own_claims_only(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    shared = str(world.tuned(start, 7).head)
    first, second = world.fine_tune(start, 2, top=head(7)), world.fine_tune(start, 3, top=head(7))
    with begin(world, local, first[0]) as one, begin(world, local, second[0]) as two:
        send(two, second[1])
        two.commit()
        assert collect(local, shared) == set()
        send(one, first[1])
        one.commit()
    assert claims(local) == {}


def test_a_push_whose_upload_was_removed_before_its_row_is_told_to_push_again(
    world: World, local: LocalRegistry
) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    digest = str(receipt.featurizer)

    class Store(FolderStore):
        """Between upload and row the claim ends, and a gc comes by."""

        def put(self, source: Path, name: str) -> None:
            super().put(source, name)
            if name == digest:
                lose_claims(local)
                assert collect(local, digest) == {digest}

    kept, local.blobs.store = local.blobs.store, Store(local.folder / "blobs")
    with begin(world, local, receipt) as push:
        send(push, files)
        with pytest.raises(Unreachable, match=r"were removed while they were needed; push again"):
            push.commit()
    assert local.work.results([receipt.work_id]) == {}
    local.blobs.store = kept
    result = local.weights.push(world.seal(receipt), files)
    assert local.versions.verify(str(result.version)).ok


def test_no_lock_is_held_while_weights_are_stored(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    others = [world.tuned(start, seed) for seed in (3, 4)]
    beside = LocalRegistry(local.folder)
    seen: list[str] = []

    class Store(FolderStore):
        def put(self, source: Path, digest: str) -> None:
            beside.maintenance.configure("fleet", digest)  # a write, which waits for the lock
            seen.append(digest)
            super().put(source, digest)

    local.blobs.store = Store(local.folder / "blobs")
    begun = time.monotonic()
    pushed = world.tuned(start, 2)
    mean = local.work.combine(Combination.model_validate({"parents": [{"version": one.version} for one in others]}))
    assert sorted(seen) == sorted(map(str, (pushed.featurizer, pushed.head, mean.featurizer, mean.head)))
    assert beside.info().fleet == seen[-1]
    assert time.monotonic() - begun < 60  # the lock would be waited for as long as this
    beside.close()


def test_a_combination_claims_what_it_averages_and_gives_all_back(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    one, two = world.tuned(start, 3), world.tuned(start, 4)
    question = Combination.model_validate({"parents": [{"version": each.version} for each in (one, two)]})
    seen: list[dict[str, int]] = []

    class Store(FolderStore):
        def put(self, source: Path, digest: str) -> None:
            seen.append(claims(local))
            super().put(source, digest)

    local.blobs.store = Store(local.folder / "blobs")
    result = local.work.combine(question)
    averaged = {str(part) for each in (one, two) for part in (each.featurizer, each.head)}
    assert averaged | {str(result.featurizer), str(result.head)} <= seen[0].keys()
    assert claims(local) == {}


def test_a_combination_that_fails_gives_its_claims_and_files_back(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    one, two = world.tuned(start, 3), world.tuned(start, 4)
    local.blobs.remove(str(two.head))
    with pytest.raises(Refusal, match=f"weights {str(two.head)[:12]}… are missing"):
        local.work.combine(Combination.model_validate({"parents": [{"version": each.version} for each in (one, two)]}))
    assert claims(local) == {}
    assert list(local.blobs.inbox.incoming()) == []


def test_the_claims_of_somebody_who_died_end_when_their_time_has_passed(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    receipt, files = world.fine_tune(start, 2)
    push = begin(world, local, receipt)
    send(push, files)
    push.close()  # it never comes back
    digest = str(receipt.featurizer)
    assert may_go(local, digest) == set()
    local.maintenance.configure("stale_seconds", 0)
    assert may_go(local, digest) == set()  # its file may still be gone on with
    local.publisher.sweep()
    assert list(local.blobs.inbox.incoming()) == []
    assert claims(local) == {}
    assert may_go(local, digest, str(start.head)) == {digest}


def test_a_push_of_weights_that_the_store_lost_brings_them_back(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    lost = world.tuned(start, 7)
    local.blobs.remove(str(lost.head))
    receipt, files = world.fine_tune(start, 2, top=head(7))
    world.work(receipt, files)
    assert local.versions.verify(str(lost.version)).ok


def test_weights_that_the_registry_lost_reject_nobodys_contribution(world: World, local: LocalRegistry) -> None:
    start = world.probed()
    path = local.blobs.local(str(start.featurizer))
    data = path.read_bytes()
    receipt, files = world.fine_tune(start, 2)
    world.lease(receipt)
    path.unlink()
    with pytest.raises(Unreachable, match=f"weights {str(start.featurizer)[:12]}… are missing"):
        local.weights.push(world.seal(receipt), files)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Unreachable, match=f"weights {str(start.featurizer)[:12]}… are damaged"):
        local.weights.push(world.seal(receipt), files)
    assert [event.kind for event in local.rounds.events()].count("rejected") == 0
    path.write_bytes(data)
    assert local.weights.push(world.seal(receipt), files).version is not None
