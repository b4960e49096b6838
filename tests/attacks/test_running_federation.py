"""What attackers get of a running federation: another user of the machine, and a web page in its owner's browser."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.federation import Aim, attacked, runs
from tests.coordinator.test_work_lane import PROBE

ROOT = Path(__file__).parents[2]
WAYS = [("GET", "/health"), ("GET", "/"), ("POST", "/v1/fleet/pull-messages"), ("POST", "/v1/control/start-run")]


@pytest.fixture(scope="module")
def aim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aim]:
    """One federation for this file: it trains all the time, so it must not outlive these tests."""
    with attacked(tmp_path_factory.mktemp("attacked")) as aim:
        yield aim


@pytest.fixture(scope="module")
def seen(aim: Aim) -> dict[str, Any]:
    """What the stranger saw."""
    home = aim.federation.home
    secrets = [aim.coordinator / "flower" / "control.secret", aim.coordinator / "superlink.db"]
    secrets += [home / "nodes" / name / "flower" / "executor.secret" for name in aim.federation.nodes]
    secrets += [home / "nodes" / name / "key" for name in aim.federation.nodes]
    assert all(path.exists() for path in secrets)
    aims: dict[str, Any] = {
        "ports": aim.ports(),
        "run": aim.run,
        "nodes": [node.id for node in aim.control.nodes()],
        "bundle": PROBE.hex(),
        "files": [*map(str, secrets), *(f"/proc/{process.pid}/environ" for process in aim.family())],
        "socket": str(home / "nodes" / "chiara" / "worker.socket"),
    }
    assert len(aims["nodes"]) == len(aim.federation.nodes)
    command = [sys.executable, "-P", str(Path(__file__).with_name("stranger.py"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, input=json.dumps(aims), capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["ports"] = {int(port): what for port, what in found["ports"].items()}
    return found


# -- another user of the coordinator's machine, who connects to every port and reads what it may


def test_every_port_is_known_to_this_test(aim: Aim, seen: dict[str, Any]) -> None:
    federation = aim.federation
    supernodes = set(seen["ports"]) - {federation.port, federation.superlink_port, federation.web_port}
    assert len(supernodes) == len(federation.nodes)
    assert aim.node_port() in supernodes
    assert len(seen["ports"]) == len(federation.nodes) + 3


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
    assert tried > 15 * len(seen["ports"])
    assert aim.control.status(aim.run) == "running"
    nodes = aim.control.nodes()
    assert len(nodes) == len(aim.federation.nodes)
    assert all(node.online for node in nodes)
    assert aim.federation.registry.rounds.round(aim.round).state == "running"


def test_secrets_keys_and_environments_cannot_be_read(seen: dict[str, Any]) -> None:
    if seen["user"] != os.getuid():
        assert set(seen["files"].values()) == {"PermissionError"}
        assert seen["socket"] == "PermissionError"


def test_no_command_line_holds_a_token_or_a_secret(aim: Aim) -> None:
    lines = [word for process in aim.family() for word in process.cmdline()]
    assert "--token" not in lines
    secret = (aim.coordinator / "flower" / "control.secret").read_text()
    assert not any(secret in word for word in lines)
    commands = [process.cmdline() for process in aim.family() if runs(process, "coordinator.executor")]
    assert len(commands) > 1, "the executor, and the ServerApp of the round, which is a fork of it"
    for line in commands:
        rest = line[line.index("coordinator.executor") + 1 :]
        assert [word for word in rest if word.startswith("--")] == ["--runtime", "--secret"]


def test_the_folders_of_secrets_are_their_owners_only(aim: Aim) -> None:
    for path in (aim.coordinator / "flower" / "control.secret", *aim.federation.home.glob("nodes/*/flower/*.secret")):
        assert path.stat().st_mode & 0o077 == 0


# -- a web page in the browser of somebody who runs a coordinator or a node: it may ask loopback ports


def asked(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"content-length": "0", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def http_ports(aim: Aim) -> list[int]:
    """The ports that speak HTTP/1, which is what a browser's page can send: all but the registry's gRPC."""
    return [port for port in aim.ports() if port != aim.federation.port]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT"])
def test_a_name_that_was_pointed_at_this_machine_is_refused_on_every_port(aim: Aim, host: str) -> None:
    for port in http_ports(aim):
        for method, path in WAYS:
            status, _ = asked(port, method, path, {"host": host.replace("PORT", str(port))})
            assert status == 421, f"{method} {path} on {port}: {status}"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_request_of_a_foreign_page_is_refused_on_every_port(aim: Aim, origin: str) -> None:
    for port in http_ports(aim):
        for method, path in WAYS:
            status, headers = asked(port, method, path, {"host": f"127.0.0.1:{port}", "origin": origin})
            assert status == 403, f"{method} {path} on {port}: {status}"
            assert "access-control-allow-origin" not in headers


def test_the_registry_does_not_speak_to_browsers(aim: Aim) -> None:
    for method, path in WAYS:
        with pytest.raises((http.client.HTTPException, OSError)):
            asked(aim.federation.port, method, path, {"host": f"127.0.0.1:{aim.federation.port}"})


def test_the_page_itself_still_answers_its_own_reader(aim: Aim) -> None:
    port = aim.federation.web_port
    own = {"host": f"localhost:{port}"}
    assert asked(port, "GET", "/", own)[0] == 200
    assert asked(port, "GET", "/", own | {"origin": f"http://localhost:{port}"})[0] == 200
