"""Transfers over lines that break, block or are hung up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ratatouille.errors import Unreachable
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.server import RegistryServer
from registry.services.registry import Registry
from registry.transport import client, servicer, wire
from tests.registry.proxy import Proxy
from tests.registry.test_service import a_large_import, a_world
from tests.registry.test_watching import once_reachable
from tests.registry.world import World


class Line:
    """A world whose registry is reached through a proxy, and directly."""

    def __init__(self, folder: Path) -> None:
        self.service = RegistryServer(folder / "registry")
        self.service.start()
        self.proxy = Proxy(self.service.address)
        self.world: World = a_world(self.proxy.url, folder)
        self.direct: Registry = open_registry(self.service.address, cache=folder / "direct")
        self.receipt, self.files = a_large_import(self.world)
        self.digest = str(self.receipt.featurizer)
        self.size = self.files[self.digest].stat().st_size

    def push(self, registry: Registry | None = None, progress: Callable[[int, int], None] | None = None) -> str:
        pushed = (registry or self.world.registry).weights.push(self.world.seal(self.receipt), self.files, progress)
        return str(pushed.version)

    def close(self) -> None:
        self.world.registry.close()
        self.direct.close()
        self.proxy.close()
        self.service.stop(grace=1)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with closing(Line(tmp_path)) as line:
        yield line


def halfway(do: Callable[[], None]) -> Callable[[int, int], None]:
    """A progress that does something once, after half of the bytes."""
    done = threading.Event()

    def progress(now: int, total: int) -> None:
        if now > total // 2 and not done.is_set():
            done.set()
            do()

    return progress


def test_a_push_over_a_line_that_is_cut_goes_on_where_it_was(line: Line, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        line.push(progress=halfway(line.proxy.cut))
    arrived = (tmp_path / "registry" / "receiving" / line.digest).stat().st_size
    assert 0 < arrived < line.size
    sent: list[int] = []
    once_reachable(lambda: line.push(progress=lambda done, _: sent.append(done)))
    assert sent[0] > line.size // 8  # what had come was not sent again
    assert [event.kind for event in line.direct.rounds.events()] == ["version"]
    assert line.direct.versions.verify(line.push()).ok


def test_a_push_whose_acknowledgement_was_lost_is_acknowledged_again(line: Line) -> None:
    pool = ThreadPoolExecutor(1)
    committed = pool.submit(lambda: next(line.direct.rounds.watch(0, kinds=["version"])).subject)
    committed.add_done_callback(lambda _: line.proxy.mend())
    with pytest.raises(Unreachable):
        line.push(progress=halfway(line.proxy.swallow_answers))
    version = committed.result()
    once_reachable(lambda: line.push() == version or pytest.fail("another version"))
    assert [event.kind for event in line.direct.rounds.events()] == ["version"]


def test_a_fetch_over_a_line_that_is_cut_goes_on_where_it_was(line: Line) -> None:
    line.push(line.direct)
    with pytest.raises(Unreachable):
        line.world.registry.weights.fetch(line.digest, halfway(line.proxy.cut))
    got: list[int] = []
    once_reachable(lambda: line.world.registry.weights.fetch(line.digest, lambda done, _: got.append(done)))
    assert got[0] > line.size // 2
    assert line.world.registry.weights.fetch(line.digest).read_bytes() == line.files[line.digest].read_bytes()


def test_a_blocked_line_ends_the_transfer_on_both_sides_and_frees_the_file(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in earnest, the registry gives up first, and who waits for the file is more patient.
    monkeypatch.setattr(client, "IDLE_SECONDS", 8.0)
    monkeypatch.setattr(servicer, "IDLE_SECONDS", 1.0)
    with pytest.raises(Unreachable, match=r"push was ended by the registry at .*, or was silent for too long"):
        line.push(progress=halfway(line.proxy.block))
    version = line.push(line.direct)  # waits for the file until the service has given the first push up
    line.proxy.mend()
    once_reachable(lambda: line.world.registry.info())
    with pytest.raises(Unreachable, match=r"fetch was ended by the registry at .*, or was silent for too long"):
        line.world.registry.weights.fetch(line.digest, halfway(line.proxy.block))
    line.proxy.mend()
    once_reachable(lambda: line.world.registry.weights.fetch(line.digest))
    assert line.direct.versions.verify(version).ok


def test_transfers_that_are_hung_up_free_their_places(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.push(line.direct)
    line.close()
    monkeypatch.setattr(servicer, "MOST_FETCHES", 1)
    service = RegistryServer(line.world.folder.parent / "registry")
    service.start()

    class EnoughError(Exception):
        pass

    def enough(done: int, total: int) -> None:
        raise EnoughError

    for number in range(3):
        with closing(open_registry(service.address, cache=line.world.folder / f"cache{number}")) as registry:

            def hang_up(registry: Registry = registry) -> None:
                with pytest.raises(EnoughError):
                    registry.weights.fetch(line.digest, enough)

            once_reachable(hang_up)
    service.stop(grace=1)


def test_no_call_waits_for_ever_for_somebody_who_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(wire, "SLOW_DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(client, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(client, "BEAT_SECONDS", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(open_registry(f"grpc://127.0.0.1:{silent.getsockname()[1]}", cache=tmp_path / "cache")) as registry,
    ):
        sealed = Signer.open(tmp_path / "key").seal(Receipt.model_construct())
        for ask in (
            registry.info,
            lambda: registry.versions.verify("latest"),
            lambda: registry.weights.fetch("0" * 64),
            lambda: registry.weights.push(sealed, {}),
            lambda: next(registry.rounds.watch()),
        ):
            with pytest.raises(Unreachable, match=r"did not answer .* in time|was silent for too long"):
                ask()
