"""The server: where it listens, what it does when a port is taken, and that it works over every implementation."""

from __future__ import annotations

import socket
import urllib.request
from urllib.error import URLError

import pytest

from ratatouille.processes import free_port
from registry.web.server import WebServer
from tests.registry.conftest import world as world
from tests.registry.web.scene import Scene
from tests.registry.world import World

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(address: str) -> str:
    with OPENER.open(address, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_page_is_the_same_over_a_folder_a_service_and_postgresql(world: World) -> None:
    server = WebServer(world.registry, 0)
    server.start()
    try:
        assert "Outside of rounds" in read(server.address)
        assert "anna" not in read(f"{server.address}live")
        average = world.tuned(world.probed(), 3)
        assert world.maintainer.release(str(average.version), "stable").version == average.version
        page = read(f"{server.address}versions/stable")
        assert f"{average.version}" in page
        for path in ("contributors", "releases", "compare?a=stable&b=stable", "search?q=sea"):
            assert "stable" in read(f"{server.address}{path}") or path.startswith("search")
        with OPENER.open(f"{server.address}versions/stable/head.safetensors", timeout=20) as answer:
            assert answer.read() == world.registry.weights.fetch(str(average.head)).read_bytes()
    finally:
        server.stop()


def test_a_taken_port_is_said_and_a_free_one_is_used(scene: Scene) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = WebServer(scene.world.registry, port)
        assert server.port not in (0, port)
        assert f"port {port} is taken" in server.sentence
        server.start()
        assert "History" in read(server.address)
        server.stop()


def test_a_free_port_is_used_as_asked_and_nothing_answers_after_the_end(scene: Scene) -> None:
    port = free_port()
    server = WebServer(scene.world.registry, port)
    assert server.address == f"http://127.0.0.1:{port}/"
    assert "taken" not in server.sentence
    server.start()
    assert "History" in read(server.address)
    server.stop()
    with pytest.raises(URLError):
        read(server.address)
