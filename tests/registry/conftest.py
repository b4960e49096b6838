from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.processes.child import service
from registry.blobs import opening
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.behind import to_s3
from tests.registry.pgbouncer import Mode, PgBouncer, find_pgbouncer
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.s3 import Weed
from tests.registry.world import World


class Process:
    """A real service process on a free loopback port."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        command = [*service("registry.server"), "--folder", str(folder), "--port", str(port)]
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
        code = self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


Start = Callable[..., Process]


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Start]:
    """Starts services that end with the test."""
    made: list[Process] = []

    def start(folder: Path = tmp_path / "registry", port: int = 0) -> Process:
        made.append(Process(folder, port))
        return made[-1]

    yield start
    for process in made:
        process.end(signal.SIGKILL)


MEMORY = Path("/dev/shm")
SERVER_BYTES = 2 << 30
"""What a server may need: its tables, its log of changes, and the databases of the largest test."""


@contextmanager
def _running() -> Iterator[PostgresqlServer]:
    """A server in a folder of its own: pytest closes its folders to other users when it starts once more, and as root
    the server is another user, which then can neither write a checkpoint nor start again. In memory where there is
    room, since a database is 300 files.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > SERVER_BYTES
    with tempfile.TemporaryDirectory(prefix="postgresql-", dir=MEMORY if roomy else None) as folder:
        server = PostgresqlServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def running_postgresql() -> Iterator[PostgresqlServer]:
    """A real server, started when a test first wants it."""
    with _running() as server:
        yield server


@pytest.fixture
def postgresql(running_postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """The server; the databases that a test makes go with the test."""
    yield running_postgresql
    running_postgresql.drop()


@pytest.fixture(scope="session")
def pgbouncers(running_postgresql: PostgresqlServer) -> Iterator[dict[Mode, PgBouncer]]:
    """A real PgBouncer before the server, in session and in transaction mode."""
    find_pgbouncer()
    modes: tuple[Mode, ...] = ("session", "transaction")
    found = {mode: PgBouncer(running_postgresql, mode) for mode in modes}
    yield found
    for one in found.values():
        one.stop()


@pytest.fixture
def own_server() -> Iterator[PostgresqlServer]:
    """A server that a test may stop."""
    with _running() as server:
        yield server


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's key and a registry with definitions, foundation and head; copying them is faster than making them."""
    folder = tmp_path_factory.mktemp("beginning")
    (folder / "files").mkdir()
    world = World(open_registry(folder / "registry"), folder / "files", Signer.open(folder / "node.key"))
    world.define()
    world.probed()
    world.leave()
    world.registry.close()
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """An S3 server for all tests, which the environment names; each test takes a prefix of its own."""
    server = Weed(tmp_path_factory.mktemp("s3"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def own_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Weed]:
    """A server that this test may kill."""
    (tmp_path / "s3").mkdir()
    server = Weed(tmp_path / "s3")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(opening, "MOST_RETRIES", 1)
    server.start()
    yield server
    server.kill()


WORLDS = ["folder", "service", "postgresql", "service over S3"]
THROUGH_PGBOUNCER = "postgresql through PgBouncer"


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path, beginning: Path) -> Iterator[World]:
    """A world of its own: every test runs over both implementations (the service listens in a thread), with a real
    PostgreSQL server, and with a real S3 server.
    """
    yield from make_world(request, tmp_path, beginning)


def make_world(request: pytest.FixtureRequest, tmp_path: Path, beginning: Path) -> Iterator[World]:
    """The world that the parameter names, with the node's key and the registry of a folder like `beginning`."""
    shutil.copytree(beginning, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "registry"
    if "postgresql" in request.param:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        (folder / "registry.db").unlink()
        url = server.begun(beginning / "registry")
        if "PgBouncer" in request.param:
            url = request.getfixturevalue("pgbouncers")["transaction"].url(url)
        (folder / "registry.toml").write_text(f'database = "{url}"')
    if "S3" in request.param:
        to_s3(folder, request.getfixturevalue("s3").url(tmp_path.name))
    service = RegistryServer(folder) if "service" in request.param else None
    if service:
        service.start()
    registry = open_registry(service.address if service else folder, cache=tmp_path / "cache")
    yield World(registry, tmp_path / "files", Signer.open(tmp_path / "node.key"))
    registry.close()
    if service:
        service.stop(grace=5)
