"""`registry head`, `accept-head` and `restored`, as people use them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call
from tests.registry.world import World


@pytest.fixture
def world(world: World) -> World:
    world.probed()
    return world


def test_head_shows_the_log_and_what_this_machine_follows(world: World) -> None:
    first = call("registry", "head")
    assert (first.code, first.err) == (0, "")
    assert "now: the first that this machine sees" in first.out
    shown = call("registry", "head", "--json").json
    assert shown["size"] == len(world.registry.rounds.events())
    assert shown["problem"] is None
    assert shown["kept"]["head"]["node"] == shown["key"]
    assert shown["witnesses"] == []


def test_a_head_goes_as_a_file_and_comes_back_signed(world: World, tmp_path: Path) -> None:
    file = tmp_path / "head.json"
    assert call("registry", "head", "--output", file).code == 0
    world.tuned(world.probed(), 2)
    checked = call("registry", "head", "--check", file)
    assert checked.code == 0
    assert "the history begins with that head" in checked.out
    signed = call("registry", "head", "--sign", file)
    assert signed.code == 0
    assert "which 1 member signed" in signed.out
    (witness,) = call("registry", "head", "--json").json["witnesses"]
    written = json.loads(file.read_text())
    assert written["witnesses"] == [witness["sealed"]]
    assert witness["size"] == json.loads(written["head"]["body"])["size"]
    assert call("registry", "head", "--check", file).code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "holds no head of a log"),
        (lambda text: text.replace('\\"size\\":', '\\"size\\":1'), "the signature of this loghead is not by key"),
        (lambda text: text.replace('"witnesses":[]', '"witnesses":[{}]'), "witnesses.0"),
    ],
    ids=["empty", "altered", "no witness"],
)
def test_a_file_that_holds_no_head_is_refused(world: World, tmp_path: Path, change: object, words: str) -> None:
    file = tmp_path / "head.json"
    assert call("registry", "head", "--output", file).code == 0
    assert callable(change)
    file.write_text(change(file.read_text()))
    call("registry", "head", "--check", file).refused(words)
    call("registry", "head", "--check", tmp_path / "nothing.json").refused("cannot be read")
    call("registry", "head", "--check", file, "--sign", file).refused("leave --check out")


def test_a_head_of_another_registry_is_refused(world: World, tmp_path: Path) -> None:
    LocalRegistry(tmp_path / "another").close()
    file = tmp_path / "head.json"
    assert call("registry", "head", "--remote", tmp_path / "another", "--output", file).code == 0
    call("registry", "head", "--check", file).refused("that head is of registry")


def test_a_restored_backup_is_stated_by_its_owner_and_accepted_by_its_readers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("registry", "backup", tmp_path / "backup").code == 0
    start = world.probed()
    for seed in (2, 3):
        world.tuned(start, seed)
    file = tmp_path / "head.json"
    assert call("registry", "head", "--output", file).code == 0
    monkeypatch.setenv("RATATOUILLE_REMOTE", str(tmp_path / "restored"))
    assert call("registry", "restore", tmp_path / "backup", "--to", tmp_path / "restored").code == 0
    shutil.copy(tmp_path / "registry" / "log.key", tmp_path / "restored" / "log.key")
    assert "rolled back" in call("log").err
    owner, reader = tmp_path / "owner", tmp_path / "home"
    monkeypatch.setenv("RATATOUILLE_HOME", str(owner))
    stated = call("registry", "restored", "-m", "the disk died", "--before", file, "--json")
    assert stated.json["replaced"]["size"] > stated.json["size"]
    assert call("log").code == 0
    monkeypatch.setenv("RATATOUILLE_HOME", str(reader))
    warned = call("log")
    assert warned.code == 1
    assert "its owner stated that it was set back: the disk died" in warned.err
    assert call("registry", "accept-head").out.startswith("before: ")
    assert call("log").code == 0
    assert call("registry", "accept-head", "--json").json["replaced"] is None, "nothing else was kept"
    assert call("verify", "--all").code == 0
