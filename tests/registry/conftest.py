from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.service import Service
from tests.registry.world import World


class Process:
    """A real service process on a free loopback port."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "registry.service", "--folder", str(folder), "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self._process.stdout is not None
        self.line = self._process.stdout.readline()
        self.url = next((word for word in self.line.split() if word.startswith("grpc://")), "")

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self, number: int = signal.SIGTERM) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(timeout=40)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[type[Process]]:
    """Starts services that end with the test."""
    made: list[Process] = []

    class Made(Process):
        def __init__(self, folder: Path = tmp_path / "registry", port: int = 0) -> None:
            super().__init__(folder, port)
            made.append(self)

    yield Made
    for process in made:
        if process.url:
            process.end(signal.SIGKILL)


@pytest.fixture(params=["folder", "service"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world of its own: every test runs over both implementations (the service listens in a thread)."""
    folder = tmp_path / "registry"
    service = Service(folder) if request.param == "service" else None
    if service:
        service.start()
    registry = open_registry(service.address if service else folder, cache=tmp_path / "cache")
    files = tmp_path / "files"
    files.mkdir()
    world = World(registry, files, Signer.open(tmp_path / "node.key"))
    world.define()
    yield world
    registry.close()
    if service:
        service.stop(grace=5)
