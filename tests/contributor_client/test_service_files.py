"""Units and Compose files of a node: what systemd and a reader of YAML make of them, with hostile paths too."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml  # type: ignore[import-untyped]

from contributor_client.service_files import STOP_SECONDS
from tests.ratatouille.cli.call import call

HOSTILE = 'a 100% "good" $HOME folder'
ALLOWED = {
    *("build", "command", "environment", "user", "init", "stop_signal", "stop_grace_period", "restart", "read_only"),
    *("tmpfs", "cap_drop", "security_opt", "volumes", "network_mode", "deploy"),
}
"""Keys of a service in the Compose specification that we write."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node.toml and its home, in a folder whose name needs care."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    monkeypatch.setenv("RATATOUILLE_HOME", str(folder / "home"))
    return written(folder)


def written(folder: Path, **more: object) -> Path:
    path = folder / "node.toml"
    data = [{"task": "leaves", "path": "images"}]
    path.write_text(tomli_w.dumps({"name": "anna", "remote": "grpcs://plants.org:8443", "data": data, **more}))
    return path


def compose(file: Path) -> dict[str, Any]:
    """The one service of the Compose file, after a check of its structure."""
    read = yaml.safe_load(call("node", "service", "compose", file).out)
    assert set(read) == {"name", "services"}
    assert set(read["services"]) == {"node"}
    service: dict[str, Any] = read["services"]["node"]
    assert set(service) <= ALLOWED
    assert set(service["build"]) == {"context", "dockerfile_inline"}
    assert all(isinstance(word, str) for word in service["command"])
    for mount in service["volumes"]:
        assert set(mount) == {"type", "source", "target", "read_only"}
        assert isinstance(mount["read_only"], bool)
    return service


@pytest.mark.parametrize("system", [False, True])
def test_systemd_finds_nothing_wrong_with_the_unit(file: Path, tmp_path: Path, system: bool) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here; the unit is not checked")
    unit = tmp_path / "ratatouille-node.service"
    call("node", "service", "systemd", file, "--output", unit, *(["--system"] if system else []))
    assert [line for line in verified(unit, system) if unit.name in line] == []
    wrong = unit.with_name("wrong.service")
    wrong.write_text(unit.read_text().replace("KillMode=mixed", "KillMode=wrong"))
    assert any("Failed to parse kill mode" in line for line in verified(wrong, system))  # it does look


def verified(unit: Path, system: bool) -> list[str]:
    """What `systemd-analyze verify` says."""
    command = ["systemd-analyze", "verify", "--man=no", *([] if system else ["--user"]), str(unit)]
    environment = {"XDG_RUNTIME_DIR": str(unit.parent), "PATH": os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, env=environment).stderr.splitlines()


def test_the_unit_stops_the_node_with_time_for_a_checkpoint_and_leaves_the_gpu(file: Path) -> None:
    for words in ([], ["--system"]):
        unit = call("node", "service", "systemd", file, *words).out.splitlines()
        assert f"TimeoutStopSec={STOP_SECONDS}" in unit
        assert {"KillMode=mixed", "Restart=on-failure", "NoNewPrivileges=yes"} <= set(unit)
        assert not any(line.startswith(("PrivateDevices", "MemoryDenyWriteExecute", "DevicePolicy")) for line in unit)
        assert any(line.startswith("User=") for line in unit) is bool(words)
    assert (
        f'ReadWritePaths="{str(file.parent / "home").replace("%", "%%").replace(chr(34), chr(92) + chr(34))}"' in unit
    )


def test_the_compose_file_runs_this_release_with_the_owners_folders_under_their_own_paths(file: Path) -> None:
    service = compose(file)
    folder = str(file.parent).replace("$", "$$")
    assert service["command"][:6] == ["python", "-P", "-m", "ratatouille", "node", "join"]
    assert service["command"][6:] == [
        f"{folder}/node.toml", "--remote", "grpcs://plants.org:8443", "--folder", f"{folder}/home/nodes/anna",
    ]  # fmt: skip
    assert service["environment"] == {"RATATOUILLE_HOME": f"{folder}/home"}
    mounts = {one["target"]: one["read_only"] for one in service["volumes"]}
    assert mounts == {f"{folder}/home": False, f"{folder}/node.toml": True, f"{folder}/images": True}
    assert "model-ratatouille[node]==" in service["build"]["dockerfile_inline"]
    assert service["stop_grace_period"] == f"{STOP_SECONDS}s"
    assert "network_mode" not in service
    assert "deploy" not in service


def test_a_compose_file_has_the_gpus_of_the_node_and_the_hosts_network_for_a_registry_on_it(tmp_path: Path) -> None:
    service = compose(written(tmp_path, device=["cuda:0", "cuda:2"], remote="grpc://127.0.0.1:9290"))
    assert service["network_mode"] == "host"
    (gpu,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert gpu == {"driver": "nvidia", "device_ids": ["0", "2"], "capabilities": ["gpu"]}
    assert (
        compose(written(tmp_path, device="cuda"))["deploy"]["resources"]["reservations"]["devices"][0]["count"] == "all"
    )


def test_a_system_wide_compose_file_is_refused(file: Path) -> None:
    call("node", "service", "compose", file, "--system").refused("--system is for systemd")
