from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.home import local_address
from registry.exports.backup.folder import BLOBS
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call
from tests.registry.commands.test_verify import damage
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.s3 import Weed
from tests.registry.world import World


def test_a_registry_is_backed_up_and_restored_elsewhere(
    history: dict[str, str], world: World, tmp_path: Path, postgresql: PostgresqlServer, s3: Weed
) -> None:
    first = call("registry", "backup", tmp_path / "backup")
    assert first.code == 0
    assert "holds 5 versions and 7 weights" in first.out
    assert "7 were copied now" in first.out
    assert "0 were copied now" in call("registry", "backup", tmp_path / "backup").out
    words = ["--database", postgresql.new(), "--weights", s3.url(tmp_path.name)]
    done = call("registry", "restore", tmp_path / "backup", "--to", tmp_path / "far", *words)
    assert done.code == 0
    assert "nothing is wrong" in done.out
    there = LocalRegistry(tmp_path / "far")
    assert there.versions.log() == world.registry.versions.log()
    there.close()
    assert not (tmp_path / "far" / "registry.db").exists()
    assert call("verify", "--all", "--remote", tmp_path / "far").code == 0


def test_scripts_get_one_document(history: dict[str, str], tmp_path: Path) -> None:
    saved = call("registry", "backup", tmp_path / "backup", "--json").json
    assert (saved["copied"], saved["blobs"], saved["missing"]) == (7, 7, [])
    found = call("registry", "restore", tmp_path / "backup", "--to", tmp_path / "far", "--json").json
    assert found["ok"] is True
    assert found["findings"] == []


def test_a_backup_without_some_weights_says_which_and_fails_with_code_1(
    history: dict[str, str], world: World, tmp_path: Path
) -> None:
    head = str(world.registry.versions.show(history["first"]).entry.version.head)
    damage(world, head)
    said = call("registry", "backup", tmp_path / "backup")
    assert said.code == 1
    assert f"weights {head} are missing or damaged in the registry" in said.out
    restored = call("registry", "restore", tmp_path / "backup", "--to", tmp_path / "far")
    assert restored.code == 1
    assert "2 things are wrong" in restored.out


def test_backups_are_checked_and_thinned_out_when_asked(history: dict[str, str], world: World, tmp_path: Path) -> None:
    call("registry", "backup", tmp_path / "backup")
    head = str(world.registry.versions.show(history["first"]).entry.version.head)
    copy = tmp_path / "backup" / BLOBS / head[:2] / head
    copy.chmod(0o600)
    copy.write_bytes(b"!" + copy.read_bytes()[1:])
    assert "1 was copied now" in call("registry", "backup", tmp_path / "backup", "--check").out
    assert "0 were copied now" in call("registry", "backup", tmp_path / "backup", "--check", "--prune").out


def test_a_service_is_not_asked_for_what_only_its_machine_can_do(
    history: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = local_address()
    words = ("works in a registry's own folder", f"{local} is a service", "--remote FOLDER")
    call("registry", "backup", tmp_path / "backup", "--remote", "local").refused(
        "`ratatouille registry backup`", *words
    )
    call("registry", "import", tmp_path / "x.tar", "--remote", local).refused("`ratatouille registry import`", *words)
    assert not (tmp_path / "backup").exists()
    own = tmp_path / "home" / "coordinator" / "registry"
    LocalRegistry(own).close()
    call("registry", "backup", tmp_path / "backup", "--remote", "local").refused(f"such as --remote {own}")


def test_what_cannot_be_backed_up_or_restored_is_refused(history: dict[str, str], tmp_path: Path) -> None:
    call("registry", "backup", tmp_path / "files").refused("holds other things than a backup")
    call("registry", "backup", tmp_path / "b", "--remote", tmp_path / "no").refused("there is no registry in")
    call("registry", "restore", tmp_path / "files", "--to", tmp_path / "far").refused("there is no backup in")
    call("registry", "backup", tmp_path / "backup")
    call("registry", "restore", tmp_path / "backup", "--to", tmp_path / "registry").refused("holds a registry already")
    where = ["--to", tmp_path / "far", "--database", "mysql://x/y"]
    call("registry", "restore", tmp_path / "backup", *where).refused("'mysql' is no database")
