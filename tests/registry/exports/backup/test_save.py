from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select, text

from ratatouille.errors import Refusal
from registry.commands.verify import audit
from registry.exports.backup.folder import BLOBS, MANIFEST, TABLES, alone, read_manifest
from registry.exports.backup.restore import restore
from registry.exports.backup.save import save
from registry.schema import UploadRow
from registry.services.local import LocalRegistry
from registry.storage_config import StorageConfig
from tests.registry.exports.backup.test_round_trip import own, saved
from tests.registry.world import World

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
SAVER = Path(__file__).parent / "saver.py"


def files_of(folder: Path) -> dict[str, int]:
    """Weights in a backup, with what tells a file from its copy."""
    return {path.name: path.stat().st_ino for path in (folder / BLOBS).rglob("*") if path.is_file()}


def restored(folder: Path, to: Path) -> int:
    """Restore and verify; returns how many versions there are."""
    restore(folder, to, StorageConfig())
    there = LocalRegistry(to)
    assert audit(there).ok
    versions = len(there.versions.log(limit=10_000))
    there.close()
    return versions


def test_a_second_backup_copies_only_what_is_new(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    first = save(own(world).storage, folder)
    before = files_of(folder)
    assert first.copied == first.manifest.blobs == len(before)
    assert save(own(world).storage, folder).copied == 0
    world.tuned(world.probed(), 9)
    assert save(own(world).storage, folder).copied == 2
    after = files_of(folder)
    assert after.items() > before.items()
    assert len(after) == len(before) + 2
    manifest = read_manifest(folder)
    assert manifest is not None
    assert sorted(path.name for path in (folder / TABLES).iterdir()) == sorted(
        table.path.name for table in manifest.tables
    )


@pytest.mark.parametrize("lines", [1, 2, 4])
def test_a_backup_that_is_killed_leaves_the_last_whole_one_and_can_be_made_again(
    world: World, tmp_path: Path, lines: int
) -> None:
    folder = tmp_path / "backup"
    saved(own(world), folder)
    versions = len(world.registry.versions.log())
    for seed in (20, 21, 22):
        world.tuned(world.probed(), seed)
    command = [sys.executable, str(SAVER), str(tmp_path / "registry"), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
    if read_manifest(folder) is not None and process.returncode != 0:
        assert restored(folder, tmp_path / "old") in (versions, versions + 3)
    saved(own(world), folder)
    assert restored(folder, tmp_path / "new") == versions + 3
    assert audit(world.registry).ok


def test_weights_are_claimed_while_they_are_copied_and_not_longer(world: World, tmp_path: Path) -> None:
    database, seen = own(world).storage.database, []

    def look(done: int, total: int) -> None:
        with database.read() as connection:
            seen.append(set(connection.execute(select(UploadRow.digest)).scalars()))

    save(own(world).storage, tmp_path / "backup", progress=look)
    assert set(files_of(tmp_path / "backup")) == set.intersection(*seen)
    with database.read() as connection:
        assert connection.execute(select(UploadRow.digest)).all() == []


def test_collected_weights_are_not_in_the_backup_and_stay_collected(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    saved(own(world), folder)
    entry = world.registry.versions.log()[1]
    head = str(entry.version.head)
    own(world).blobs.remove(head)
    with own(world).storage.database.write() as connection:
        connection.execute(text("UPDATE blobs SET collected = 1.0 WHERE digest = :head"), {"head": head})
    saved(own(world), folder)
    assert head in files_of(folder)
    save(own(world).storage, folder, thin_out=True)
    assert head not in files_of(folder)
    restore(folder, tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    found = audit(there)
    assert [one.subject for one in found.findings if one.stage == "weights"] == [head]
    assert found.verdict == "not checkable"
    there.close()


def test_weights_that_are_damaged_in_the_registry_are_named_and_a_good_copy_stays(world: World, tmp_path: Path) -> None:
    head = str(world.registry.versions.log()[1].version.head)
    path = own(world).blobs.store.path(head)
    assert path is not None
    good = path.read_bytes()
    saved(own(world), tmp_path / "good")
    path.chmod(0o600)
    path.write_bytes(good[:-1] + b"!")
    assert saved(own(world), tmp_path / "bad").missing == (head,)
    assert saved(own(world), tmp_path / "good").missing == ()
    assert (tmp_path / "good" / BLOBS / head[:2] / head).read_bytes() == good
    restore(tmp_path / "bad", tmp_path / "far", StorageConfig())
    there = LocalRegistry(tmp_path / "far")
    assert head in [finding.subject for finding in audit(there).of("wrong")]
    there.close()


def test_weights_that_rotted_in_the_backup_are_copied_again_when_it_is_checked(world: World, tmp_path: Path) -> None:
    folder, head = tmp_path / "backup", str(world.registry.versions.log()[1].version.head)
    saved(own(world), folder)
    copy = folder / BLOBS / head[:2] / head
    copy.chmod(0o600)
    copy.write_bytes(b"!" + copy.read_bytes()[1:])
    assert save(own(world).storage, folder).copied == 0
    assert save(own(world).storage, folder, check=True).copied == 1
    assert restored(folder, tmp_path / "far") == len(world.registry.versions.log())


def test_a_copy_that_was_broken_off_goes_on_and_a_damaged_one_starts_over(world: World, tmp_path: Path) -> None:
    folder, head = tmp_path / "backup", str(world.registry.versions.log()[1].version.head)
    path = own(world).blobs.store.path(head)
    assert path is not None
    (folder / "incoming").mkdir(parents=True)
    (folder / "incoming" / head).write_bytes(path.read_bytes()[:30])
    other = str(world.registry.versions.log()[1].version.featurizer)
    (folder / "incoming" / other).write_bytes(b"nonsense")
    assert saved(own(world), folder).missing == ()
    assert list((folder / "incoming").iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    for folder, word in ((tmp_path / "photos", "cat.jpg"), (tmp_path / "registry", "log.key")):
        with pytest.raises(Refusal, match=f"holds other things than a backup \\({word}"):
            save(own(world).storage, folder)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


def test_the_backup_of_another_registry_is_left_alone(world: World, tmp_path: Path) -> None:
    saved(own(world), tmp_path / "backup")
    before = (tmp_path / "backup" / MANIFEST).read_bytes()
    time.sleep(0.01)
    other = LocalRegistry(tmp_path / "other")
    other.rounds.note("r", "said", "nothing", "another log")
    with pytest.raises(Refusal, match="holds the backup of another registry"):
        save(other.storage, tmp_path / "backup")
    other.close()
    assert (tmp_path / "backup" / MANIFEST).read_bytes() == before


def test_two_backups_into_one_folder_do_not_meet(world: World, tmp_path: Path) -> None:
    with alone(tmp_path / "backup"), pytest.raises(Refusal, match="another backup is being made"):
        save(own(world).storage, tmp_path / "backup")
