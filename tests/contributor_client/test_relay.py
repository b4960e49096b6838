"""Executor and worker as two sides of a socket, the worker a real process that may die at any moment."""

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributor_client.relay import WorkerError, Workers, relay, serve
from ratatouille.errors import Refusal, Unreachable
from ratatouille.failure import Failure
from ratatouille.processes.locks import is_locked

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def serving(path: Path, handle: Callable[[bytes], bytes]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(path, handle, stop, 0.01))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@given(st.text())
@settings(max_examples=30, deadline=None)
def test_what_goes_in_comes_out(worker: Path, text: str) -> None:
    assert relay(worker, text.encode()) == text.encode()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("worker") / "socket"
    with serving(path, lambda order: order):
        yield path


def test_the_code_of_an_error_reaches_its_sender_and_the_worker_goes_on(tmp_path: Path) -> None:
    def handle(order: bytes) -> bytes:
        if order == b"bad":
            raise Refusal("the image '/home/anna/smith.png' is damaged", code="image-damaged", images=2)
        if order == b"worse":
            raise ZeroDivisionError("division by zero")
        return order

    with serving(tmp_path / "socket", handle):
        with pytest.raises(WorkerError) as bad:
            relay(tmp_path / "socket", b"bad")
        assert bad.value.failure == Failure(code="image-damaged", counts={"images": 2})
        with pytest.raises(WorkerError) as worse:
            relay(tmp_path / "socket", b"worse")
        assert worse.value.failure == Failure(code="unexpected")
        assert "smith" not in f"{bad.value}{worse.value}"
        assert relay(tmp_path / "socket", b"good") == b"good"


def test_an_order_waits_for_a_worker_that_comes_later(tmp_path: Path) -> None:
    answers: list[bytes] = []
    sender = threading.Thread(target=lambda: answers.append(relay(tmp_path / "socket", b"early")))
    sender.start()
    time.sleep(0.3)
    with serving(tmp_path / "socket", lambda order: order):
        sender.join()
    assert answers == [b"early"]


def test_without_any_worker_the_sender_gives_up_with_the_place_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"no worker answers at .*socket"):
        relay(tmp_path / "socket", b"{}", patience=0.2)


def test_an_order_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, sys
        from pathlib import Path
        from contributor_client.relay import serve
        serve(Path(sys.argv[1]), lambda order: os._exit(9))
    """)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    stop = threading.Event()
    workers: list[subprocess.Popen[bytes]] = []

    def keep_alive() -> None:
        while not stop.is_set():
            workers.append(subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "socket")], env=environment))
            workers[-1].wait()

    keeper = threading.Thread(target=keep_alive, daemon=True)
    keeper.start()
    with pytest.raises(Unreachable, match="ended 2 times over this order"):
        relay(tmp_path / "socket", b"{}", attempts=2)
    stop.set()
    while keeper.is_alive():  # one may have come back meanwhile
        workers[-1].kill()
        keeper.join(0.1)


def test_a_sender_that_is_gone_does_not_disturb_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving(path, lambda order: order):
        with socket.socket(socket.AF_UNIX) as wire:
            _connect(wire, path)
            wire.sendall(b'{"order": "unfin')
        with socket.socket(socket.AF_UNIX) as wire:
            _connect(wire, path)
            wire.sendall(b"what is this?\n")
        assert relay(path, b"next") == b"next"


def _connect(wire: socket.socket, path: Path) -> None:
    deadline = time.monotonic() + 5
    while True:
        try:
            return wire.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_second_worker_on_the_same_socket_is_refused(worker: Path) -> None:
    with pytest.raises(Refusal, match="another worker already serves"):
        serve(worker, lambda order: order)


def test_the_socket_is_for_its_owner_only(worker: Path) -> None:
    assert worker.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere long paths are refused")
def test_a_folder_deeper_than_the_kernel_allows_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "socket"
    with serving(deep, lambda order: order):
        assert relay(deep, b"deep") == b"deep"


def test_a_worker_that_has_waited_enough_ends(tmp_path: Path) -> None:
    asked: list[float] = []

    def enough(seconds: float) -> bool:
        asked.append(seconds)
        return len(asked) == 3

    serve(tmp_path / "socket", lambda order: order, pause=0.01, enough=enough)
    assert asked == sorted(asked)
    assert len(asked) == 3


def test_each_order_goes_to_a_worker_that_is_idle(tmp_path: Path) -> None:
    sockets, workers = [tmp_path / "a.socket", tmp_path / "b.socket"], Workers()
    with workers.idle(sockets) as first, workers.idle(sockets) as second:
        assert [first, second] == sockets
        third = ThreadPoolExecutor(1).submit(lambda: workers.idle(sockets).__enter__())
        time.sleep(0.1)
        assert not third.done()
    assert third.result(60) in sockets


def test_a_worker_that_does_an_order_of_an_ended_executor_is_not_idle(tmp_path: Path) -> None:
    sockets, working, done = [tmp_path / "a.socket", tmp_path / "b.socket"], threading.Event(), threading.Event()

    def handle(order: bytes) -> bytes:
        working.set()
        done.wait(60)
        return order

    with serving(sockets[0], handle), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(relay, sockets[0], b"long")
        assert working.wait(60)
        with Workers().idle(sockets) as chosen:
            assert chosen == sockets[1]
        done.set()
        assert answer.result(60) == b"long"
        while is_locked(sockets[0].with_suffix(".busy")):
            time.sleep(0.01)  # it has answered, and is just about to wait again
        with Workers().idle(sockets) as chosen:
            assert chosen == sockets[0]
