"""Flower's SuperNode as ours: its shorter pauses, that the pinned release has what they stand in for, and its end."""

import ast
import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from flwr.proto.fleet_pb2 import ActivateNodeResponse
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatResponse
from flwr.supernode import start_client_internal

from contributor_client import flower_supernode
from contributor_client.flower_supernode import REPLY_SECONDS, SHORTLY, SOON_SECONDS, Pauses
from contributor_client.work_lane import SuperNode, SuperNodeSettings
from tests.coordinator.federation import wait_until


def test_flowers_loop_uses_nothing_of_time_but_sleep_with_the_pauses_that_we_know() -> None:
    tree = ast.parse(inspect.getsource(start_client_internal))
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time"]
    assert {node.attr for node in used} == {"sleep"}
    pauses = [ast.literal_eval(node.args[0]) for node in ast.walk(tree) if _sleeps(node)]  # type: ignore[attr-defined]
    assert sorted(pauses) == [0.5, 0.5, 3]


def _sleeps(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"


class Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_a_node_looks_often_while_a_reply_or_the_next_message_is_to_be_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(flower_supernode, "time", clock)
    pauses = Pauses()
    for _ in range(20):
        pauses.sleep(3)
    shortly = int(SHORTLY / SOON_SECONDS)
    assert clock.slept == [SOON_SECONDS] * shortly + [3] * (20 - shortly)
    clock.slept.clear()
    pauses.sleep(0.5)  # at work: waits for a reply
    pauses.sleep(3)
    assert clock.slept == [REPLY_SECONDS, SOON_SECONDS]


@contextmanager
def forgetful_superlink(status: int) -> Iterator[str]:
    """A SuperLink that takes a node and answers its heartbeats with this status, as one that does not know it."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            beat = self.path.endswith("send-node-heartbeat")
            made = ActivateNodeResponse(node_id=7) if self.path.endswith("activate-node") else b""
            body = SendNodeHeartbeatResponse(success=False) if beat else made
            content = body if isinstance(body, bytes) else body.SerializeToString()
            self.send_response(status if beat else 200)
            self.send_header("content-type", "application/protobuf")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *values: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [200, 401])
def test_a_node_that_is_not_known_any_more_begins_anew_and_its_log_ends_without_a_traceback(
    status: int, tmp_path: Path
) -> None:
    with forgetful_superlink(status) as address:
        settings = SuperNodeSettings(tmp_path, address, tmp_path / "key", tmp_path / "socket")
        node = SuperNode(settings).start()
        try:
            wait_until(lambda: node.child.starts > 1, 120, "the SuperNode was started anew")
        finally:
            node.stop()
    said = (tmp_path / "logs" / "supernode.log").read_text()
    assert "a heartbeat was refused" in said
    assert "Traceback" not in said, said
