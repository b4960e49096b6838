"""Another user of the coordinator's machine connects to every port, reads what it may, and gets nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.conftest import Aim
from tests.coordinator.federation import NODES
from tests.coordinator.test_work_lane import PROBE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def seen(aim: Aim) -> dict[str, Any]:
    """What the stranger saw."""
    home = aim.federation.home
    secrets = [aim.coordinator / "flower" / "control.secret", aim.coordinator / "superlink.db"]
    secrets += [home / "nodes" / name / "flower" / "executor.secret" for name in NODES]
    secrets += [home / "nodes" / name / "key" for name in NODES]
    assert all(path.exists() for path in secrets)
    aims: dict[str, Any] = {
        "ports": aim.ports(),
        "run": aim.run,
        "nodes": [node.id for node in aim.control.nodes()],
        "bundle": PROBE.hex(),
        "files": [*map(str, secrets), *(f"/proc/{process.pid}/environ" for process in aim.family())],
        "socket": str(home / "nodes" / "chiara" / "worker.socket"),
    }
    assert len(aims["nodes"]) == len(NODES)
    command = [sys.executable, "-P", str(Path(__file__).with_name("stranger.py"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, input=json.dumps(aims), capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["ports"] = {int(port): what for port, what in found["ports"].items()}
    return found


def test_every_port_is_known_to_this_test(aim: Aim, seen: dict[str, Any]) -> None:
    federation = aim.federation
    supernodes = set(seen["ports"]) - {federation.port, federation.superlink_port, federation.web_port}
    assert len(supernodes) == len(NODES)
    assert aim.node_port() in supernodes
    assert len(seen["ports"]) == len(NODES) + 3


def test_no_path_of_control_runtime_or_documentation_answers(aim: Aim, seen: dict[str, Any]) -> None:
    for port, what in seen["ports"].items():
        for paths in what["paths"]:
            for path, status in paths.items():
                if port == aim.federation.web_port and path in ("GET /", "GET /metrics"):
                    continue
                assert status is None or status in (401, 404, 405), f"port {port} answers {path} with {status}"


def test_no_run_is_started_or_stopped_no_node_unregistered_and_no_task_given(aim: Aim, seen: dict[str, Any]) -> None:
    tried = 0
    for port, what in seen["ports"].items():
        for way, attempts in what["attempts"].items():
            for attempt, outcome in attempts.items():
                assert outcome.startswith("status 4"), f"port {port}, {way}: {attempt}: {outcome}"
                tried += 1
    assert tried > 100
    assert aim.control.status(aim.run) == "running"
    nodes = aim.control.nodes()
    assert len(nodes) == len(NODES)
    assert all(node.online for node in nodes)
    assert aim.federation.registry.round(aim.round).state == "running"


def test_secrets_keys_and_environments_cannot_be_read(seen: dict[str, Any]) -> None:
    if seen["user"] != os.getuid():
        assert set(seen["files"].values()) == {"PermissionError"}
        assert seen["socket"] == "PermissionError"


def test_no_command_line_holds_a_token_or_a_secret(aim: Aim) -> None:
    lines = [word for process in aim.family() for word in process.cmdline()]
    assert any("coordinator.serverapp" in word for word in lines)
    assert "--token" not in lines
    secret = (aim.coordinator / "flower" / "control.secret").read_text()
    assert not any(secret in word for word in lines)
    for line in (process.cmdline() for process in aim.family() if "coordinator.serverapp" in process.cmdline()):
        rest = line[line.index("coordinator.serverapp") + 1 :]
        assert [word for word in rest if word.startswith("--")] == ["--runtime", "--secret", "--parent"]


def test_the_folders_of_secrets_are_their_owners_only(aim: Aim) -> None:
    for path in (aim.coordinator / "flower" / "control.secret", *aim.federation.home.glob("nodes/*/flower/*.secret")):
        assert path.stat().st_mode & 0o077 == 0
