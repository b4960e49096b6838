"""What is backed up and restored is the same registry, whatever database and store are on either side."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ratatouille.exchange.version import Combination, Parent
from registry.commands.verify import audit
from registry.exports.backup.folder import Manifest, read_manifest
from registry.exports.backup.restore import restore
from registry.exports.backup.save import save
from registry.services.local import LocalRegistry
from registry.storage_config import StorageConfig
from tests.registry.exports.backup.conftest import Make
from tests.registry.world import World

ENDS = ("SQLite and a folder", "PostgreSQL and a folder", "SQLite and S3", "PostgreSQL and S3")


def saved(registry: LocalRegistry, folder: Path) -> Manifest:
    """A backup; returns its manifest."""
    save(registry.storage, folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def own(world: World) -> LocalRegistry:
    assert isinstance(world.registry, LocalRegistry)
    return world.registry


@pytest.mark.parametrize("far", ENDS)
def test_a_registry_moves_and_comes_back_with_every_row_and_every_byte(
    world: World, places: Make, tmp_path: Path, far: str
) -> None:
    manifest = saved(own(world), tmp_path / "one")
    restore(tmp_path / "one", tmp_path / "far", places(far))
    there = LocalRegistry(tmp_path / "far")
    assert audit(there).findings == []
    assert there.versions.log() == world.registry.versions.log()
    assert there.releases.alias_history("latest") == world.registry.releases.alias_history("latest")
    again = saved(there, tmp_path / "two")
    assert again.model_dump(exclude={"made"}) == manifest.model_dump(exclude={"made"})
    there.close()
    restore(tmp_path / "two", tmp_path / "back", StorageConfig())
    back = LocalRegistry(tmp_path / "back")
    assert saved(back, tmp_path / "three").tables == manifest.tables
    assert audit(back).findings == []
    back.close()


@pytest.mark.parametrize("far", ENDS[:2])
def test_a_restored_registry_goes_on_counting_where_the_old_one_was(
    world: World, places: Make, tmp_path: Path, far: str
) -> None:
    saved(own(world), tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "far", places(far))
    there = LocalRegistry(tmp_path / "far")
    other = World(there, world.folder, world.signer)
    result = other.tuned(other.probed(), 7)
    other.maintainer.release(str(result.version))
    other.maintainer.tag(str(result.version), "summer")
    entries = there.versions.log()
    assert entries[0].id == result.version
    assert [entry.number for entry in entries] == list(range(len(entries), 0, -1))
    assert audit(there).ok
    there.close()


def test_what_is_true_of_this_machine_only_is_not_restored(world: World, tmp_path: Path) -> None:
    assert world.registry.info().fleet is not None
    saved(own(world), tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert there.info().fleet is None
    there.close()


def test_a_backup_of_nothing_is_restored_as_nothing(tmp_path: Path) -> None:
    empty = LocalRegistry(tmp_path / "empty")
    saved(empty, tmp_path / "backup")
    empty.close()
    restore(tmp_path / "backup", tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert there.versions.log() == []
    there.close()


def test_a_backup_is_one_state_while_others_push(world: World, tmp_path: Path) -> None:
    start, stop = world.probed(), threading.Event()
    pushed: list[str] = []

    def push() -> None:
        seed = 100
        while not stop.is_set():
            seed += 1
            tuned = world.tuned(start, seed)
            average = world.registry.work.combine(
                Combination(parents=(Parent(version=str(tuned.version)), Parent(version=str(start.version))))
            )
            pushed.append(str(average.version))

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        for _ in range(5):
            before = len(pushed)
            while len(pushed) < before + 2:
                stop.wait(0.01)
            saved(own(world), tmp_path / "backup")
    finally:
        stop.set()
        pusher.join()
    restore(tmp_path / "backup", tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert audit(there).findings == []
    assert len(there.versions.log(limit=10_000)) > 10
    there.close()
