"""Our door on loopback: for how long a caller may keep it waiting, how much it takes, and what it keeps."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import grpc
import psutil
import pytest

from coordinator.door.config import LONGEST_CALL
from coordinator.flower_keys import FlowerKeys
from ratatouille.exchange.dialect import PROTOCOL
from registry.caller import Unauthenticated
from registry.opening import open_registry
from registry.proto.registry_pb2 import CallRequest
from registry.transport.wire import CALLS, LARGEST_REQUEST
from tests.coordinator.door.scene import Scene, everything
from tests.coordinator.federation import wait_until
from tests.coordinator.test_flower_keys import new_key, supernode


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with everything(tmp_path_factory.mktemp("door")) as scene:
        yield scene


def test_every_refusal_comes_through_with_its_reason(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    (tmp_path / "authority.pem").write_text(scene.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with closing(open_registry(f"grpcs://127.0.0.1:{scene.port}")) as registry:
        for _ in range(100):  # Caddy loses the status of some answers that are nothing but a status
            with pytest.raises(Unauthenticated, match="invitations needs the role maintainer, and without a session"):
                registry.members.invitations()


def test_a_long_message_is_not_passed_on_to_the_registry_which_would_hold_all_of_it(scene: Scene) -> None:
    assert LONGEST_CALL > LARGEST_REQUEST
    trust = grpc.ssl_channel_credentials(str(scene.door.authority).encode())
    with grpc.secure_channel(f"127.0.0.1:{scene.port}", trust) as wire:
        ask = wire.unary_unary(CALLS["challenge"].path, None, None)
        with pytest.raises(grpc.RpcError) as refused:
            ask(bytes(2 * LONGEST_CALL), timeout=60)
        assert refused.value.code() != grpc.StatusCode.RESOURCE_EXHAUSTED, "the registry has seen all of it"
        assert ask(CallRequest(protocol=PROTOCOL, json=b"{}").SerializeToString(), timeout=60)


def test_a_gibibyte_is_refused_at_once_and_the_superlink_does_not_see_it(scene: Scene) -> None:
    (process,) = (
        child
        for child in psutil.Process().children(recursive=True)
        if {"coordinator.flower_superlink", str(scene.superlink.settings.port)} <= {*child.cmdline()}
        and not any("reaper" in word for word in child.cmdline())
    )
    before = process.memory_info().rss
    head = "POST /v1/fleet/push-object HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n"
    wires = [scene.connect() for _ in range(10)]
    for wire in wires:
        wire.sendall(head.encode() + bytes(100_000))
    sent = bytes(1_000_000)
    for wire in wires:
        try:
            for _ in range(99):
                wire.sendall(sent)
        except OSError:
            pass  # the door has closed the line: that is the refusal
        else:
            pytest.fail("the door took all of it")
        wire.close()
    assert process.memory_info().rss - before < 20 * 2**20


def test_five_hundred_connections_that_say_nothing_keep_nobody_out(scene: Scene) -> None:
    with ExitStack() as silent:
        for _ in range(500):
            silent.enter_context(socket.create_connection(("127.0.0.1", scene.port), 60))
        assert scene.ask("GET", "/").status == 200
        answer = scene.ask("POST", "/v1/fleet/pull-messages", content_type="application/protobuf")
        assert answer.status not in (403, 404, 413, 421, 502, 503)


def test_callers_who_keep_the_door_waiting_are_cut_off(scene: Scene) -> None:
    def silent(kind: str) -> str:
        if kind == "connects only":
            wire: socket.socket = socket.create_connection(("127.0.0.1", scene.port))
        else:
            wire = scene.connect("h2" if kind == "h2 only" else "http/1.1")
        with wire:
            wire.settimeout(100)
            if kind == "half a head":
                wire.sendall(b"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: x\r\nX-")
            if kind in ("half a fleet call", "a byte a second"):
                wire.sendall(b"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\nabc")
            if kind == "half of nothing":
                wire.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\nabc")
            if kind == "a byte a second":
                wire.settimeout(1)
            with suppress(ConnectionError, ssl.SSLError):
                for _ in range(100):
                    try:
                        if not wire.recv(9999):
                            break
                    except TimeoutError:
                        assert kind == "a byte a second", "the door waits and waits"
                        wire.sendall(b"x")
                else:
                    pytest.fail("a byte a second is enough for the door")
        return kind

    kinds = ["connects only", "TLS only", "h2 only", "half a head", "half a fleet call", "a byte a second"]
    kinds += ["half of nothing"]
    with ThreadPoolExecutor(len(kinds)) as pool:
        assert list(pool.map(silent, kinds)) == kinds


def test_a_node_with_a_registered_key_works_through_the_door(scene: Scene, tmp_path: Path) -> None:
    keys = FlowerKeys(scene.superlink.control)
    keys.look({new_key(tmp_path / "anna"): "anna"})
    with supernode(f"127.0.0.1:{scene.port}", scene.door.paths.root, tmp_path / "anna") as node:
        online = lambda: [one.online for one in scene.superlink.control.nodes()] == [True]  # noqa: E731
        wait_until(online, 60, "anna's node is online")
        keys.look({})
        wait_until(lambda: node.given_up, 60, "anna's node has ended")


def test_what_the_door_keeps_is_for_its_owner_and_its_command_says_nothing_secret(scene: Scene) -> None:
    folder = scene.door.paths.folder
    for path in (folder, folder / "fleet.sock", *folder.rglob("*.key"), scene.door.paths.config):
        assert not path.stat().st_mode & 0o077, path
    caddies = [one for one in psutil.Process().children(recursive=True) if one.name() == "caddy"]
    assert [one.cmdline()[1:] for one in caddies] == [["run", "--config", str(scene.door.paths.config), "--watch"]]
    assert {one.laddr.port for one in caddies[0].net_connections() if one.status == "LISTEN"} == {scene.port}
