from __future__ import annotations

import os
from pathlib import Path

from tests.ratatouille.cli.call import call
from tests.registry.behind import change
from tests.registry.world import World


def damage(world: World, digest: str | None) -> Path:
    """Change the last byte of a file."""
    (file,) = [path for path in (world.folder.parent / "registry").rglob("*") if path.name == digest]
    os.chmod(file, 0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    return file


def test_verify_passes_and_fails_with_code_1_when_a_byte_changed(history: dict[str, str], world: World) -> None:
    good = call("verify", "latest", "foundation")
    assert good.code == 0
    assert "equal to the bit" in good.out
    head = world.registry.versions.show("latest").entry.version.head
    damage(world, head)
    bad = call("verify", "latest", "foundation")
    assert bad.code == 1
    assert "FAILED" in bad.out
    verdicts = call("verify", "latest", "foundation", "--json")
    assert verdicts.code == 1
    assert [one["ok"] for one in verdicts.json] == [False, True]


def test_verify_all_names_what_is_wrong_and_fails_with_code_1(history: dict[str, str], world: World) -> None:
    good = call("verify", "--all")
    assert good.code == 0
    assert "nothing is wrong" in good.out
    head = str(world.registry.versions.show(history["first"]).entry.version.head)
    damage(world, head)
    bad = call("verify", "--all")
    assert bad.code == 1
    (line,) = [line for line in bad.out.splitlines() if line.startswith("weights ")]
    assert head[:10] in line
    assert line.endswith(history["first"][:10])
    assert "2 things are wrong" in bad.out
    found = call("verify", "--all", "--json")
    assert found.code == 1
    assert found.json["ok"] is False
    assert found.json["verdict"] == "wrong"
    assert [one["subject"] for one in found.json["findings"]] == [head, history["average"]]
    assert found.json["looked"]["versions"] == 5


def test_verify_all_passes_over_what_is_harmless(history: dict[str, str], world: World) -> None:
    orphan = world.folder.parent / "registry" / "blobs" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"nobody's")
    said = call("verify", "--all")
    assert said.code == 0
    assert "Unreferenced (harmless)" in said.out
    assert "abababab" in said.out


def test_what_is_not_checkable_is_a_verdict_of_its_own_and_fails_nothing(history: dict[str, str], world: World) -> None:
    head = str(world.registry.versions.show(history["first"]).entry.version.head)
    damage(world, head).unlink()
    change(world, f"UPDATE blobs SET collected = 1 WHERE digest = '{head}'")
    said = call("verify", history["first"])
    assert said.code == 0
    assert "not checkable" in said.out
    (one,) = call("verify", history["first"], "--json").json
    assert (one["verdict"], one["ok"]) == ("not checkable", True)
    assert [check["what"] for check in one["checks"] if check["ok"] and not check["checkable"]] == ["head"]
    assert "nothing is wrong, as far as it could be checked" in call("verify", "--all").out
    everything = call("verify", "--all", "--json")
    assert (everything.code, everything.json["verdict"], everything.json["ok"]) == (0, "not checkable", True)


def test_verify_wants_versions_or_all_of_them(history: dict[str, str]) -> None:
    call("verify").refused("say what to verify", "--all")
    call("verify", "latest", "--all").refused("say what to verify", "--all")
