"""Somebody on this machine who wants to keep readers from the web page."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.web import guard
from registry.web.server import WebServer
from tests.registry.world import World

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """A page that waits two seconds for a request."""
    limited = guard.limited_connections(seconds=2.0)
    monkeypatch.setattr("registry.web.server.limited_connections", lambda: limited)
    (tmp_path / "files").mkdir()
    world = World(open_registry(tmp_path / "registry"), tmp_path / "files", Signer.open(tmp_path / "key"))
    world.define()
    started = WebServer(world.registry, 0)
    started.start()
    yield started
    started.stop()


def status(server: WebServer) -> int:
    with OPENER.open(server.address, timeout=60) as answer:
        return int(answer.status)


def drip(connection: socket.socket, over: threading.Event) -> None:
    """A head of a request, a byte at a time, that never ends."""
    connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-more: ")
    while not over.wait(0.2):
        try:
            connection.sendall(b"x")
        except OSError:
            return


def test_300_connections_that_drip_headers_keep_nobody_out(server: WebServer) -> None:
    over = threading.Event()
    with ExitStack() as stack:
        stack.callback(over.set)
        for _ in range(300):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            threading.Thread(target=drip, args=(connection, over), daemon=True).start()
        for _ in range(5):
            assert status(server) == 200


def test_a_connection_that_drips_its_header_is_closed_after_seconds(server: WebServer) -> None:
    over, begun = threading.Event(), time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        threading.Thread(target=drip, args=(connection, over), daemon=True).start()
        connection.settimeout(60)
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass
        finally:
            over.set()
    assert time.monotonic() - begun > 1.5


def test_a_request_whose_body_never_ends_is_closed_too(server: WebServer) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405")
        while not ended(connection):
            assert time.monotonic() - begun < 60, "it is still open"


def ended(connection: socket.socket) -> bool:
    """Send one more byte; whether the other side has closed."""
    connection.settimeout(0.2)
    try:
        connection.sendall(b"x")
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_connection_that_asks_again_and_again_is_kept(server: WebServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for _ in range(4):
            connection.sendall(b"HEAD /favicon.ico HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b" 200 " in connection.recv(65536).split(b"\r\n")[0]
            time.sleep(1)
