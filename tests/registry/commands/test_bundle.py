from __future__ import annotations

from pathlib import Path

from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import call
from tests.registry.world import World


def test_versions_are_exported_and_imported_elsewhere(history: dict[str, str], world: World, tmp_path: Path) -> None:
    world.maintainer.tag("latest", "spring")
    bundle = tmp_path / "latest.tar"
    said = call("registry", "export", "latest", bundle, "--tags")
    assert said.code == 0
    assert "holds 5 versions, 7 weights" in said.out
    LocalRegistry(tmp_path / "there").close()
    done = call("registry", "import", bundle, "--remote", tmp_path / "there")
    assert done.code == 0
    assert done.out.splitlines() == [
        "5 versions new, 0 known; 1 evaluation and 1 tag came with them",
    ]
    again = call("registry", "import", bundle, "--remote", tmp_path / "there", "--json").json
    assert again == {"versions": 0, "known": 5, "evaluations": 0, "tags": 0, "unproved": []}
    assert call("verify", "--all", "--remote", tmp_path / "there").code == 0
    shown = call("show", "spring", "--remote", tmp_path / "there", "--json").json
    assert shown["entry"]["id"] == history["average"]


def test_a_service_is_asked_for_an_export_like_a_folder(history: dict[str, str], world: World, tmp_path: Path) -> None:
    call("registry", "export", history["first"], tmp_path / "one.tar")
    service = RegistryServer(tmp_path / "registry")
    service.start()
    try:
        found = call(
            "registry", "export", history["first"], tmp_path / "two.tar", "--remote", service.address, "--json"
        )
    finally:
        service.stop(grace=5)
    assert (tmp_path / "two.tar").read_bytes() == (tmp_path / "one.tar").read_bytes()
    assert found.json["asked"] == [history["first"]]


def test_a_short_bundle_says_what_it_needs(history: dict[str, str], tmp_path: Path) -> None:
    said = call("registry", "export", "latest", tmp_path / "thin.tar", "--depth", 0)
    (line,) = [line for line in said.out.splitlines() if line.startswith("it is taken where these are known: ")]
    assert sorted(line.partition(": ")[2].split(", ")) == sorted(history[name][:10] for name in ("first", "second"))
    LocalRegistry(tmp_path / "there").close()
    call("registry", "import", tmp_path / "thin.tar", "--remote", tmp_path / "there").refused("which is not here")


def test_what_cannot_be_exported_or_imported_is_refused(history: dict[str, str], tmp_path: Path) -> None:
    call("registry", "export", "latest").refused("name the versions and then the file")
    call("registry", "export", "nobody", tmp_path / "x.tar").refused("nobody")
    (tmp_path / "taken.tar").write_bytes(b"no bundle")
    call("registry", "export", "latest", tmp_path / "taken.tar").refused("exists; name another file")
    call("registry", "import", tmp_path / "taken.tar").refused("taken.tar", "is no bundle")
    call("registry", "import", tmp_path / "gone.tar").refused("cannot be read")
