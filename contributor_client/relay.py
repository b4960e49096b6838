"""The wire between the executor, which speaks Flower, and the worker, which owns the data and the GPU.

A Unix-domain socket in the node's folder; one line of JSON each way: {"order": text}, then {"reply": text} or {"error":
failure}. A failure is a code and numbers (`ratatouille.failure`); its words stay in the worker's log. The worker takes
one order at a time. Either side may be restarted: the executor waits for the worker to come back and sends the order
again, which is safe because orders name their answer (the work id). Nothing here knows what orders mean.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ratatouille.errors import RatatouilleError, Refusal, Unreachable
from ratatouille.failure import Failure, failure_of, parsed
from ratatouille.processes.locks import is_locked, locked
from ratatouille.processes.throttle import Throttle

_log = logging.getLogger(__name__)
_THROTTLE = Throttle()
_LONGEST_LINE = 4 * 2**20
_LONGEST_ADDRESS = 100  # The kernel takes 108 bytes, other systems 104.


class Workers:
    """Which workers have an order of this process, so that each order goes to one that is idle."""

    def __init__(self) -> None:
        self._given: set[Path] = set()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def idle(self, sockets: Sequence[Path]) -> Iterator[Path]:
        """Wait until one of these workers is idle; nobody else gets it in this block.

        A worker may still do an order of an executor that has ended: one that does not comes first.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._given.issuperset(sockets))
            free = [one for one in sockets if one not in self._given]
            chosen = next((one for one in free if not is_locked(_busy(one))), free[0])
            self._given.add(chosen)
        try:
            yield chosen
        finally:
            with self._changed:
                self._given.remove(chosen)
                self._changed.notify_all()


class WorkerError(Exception):
    """The worker could not do an order; `failure` is all that it said."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure


def relay(path: Path, order: bytes, patience: float = 120.0, attempts: int = 3) -> bytes:
    """Send an order and wait, however long it takes, for the reply.

    Args:
        path: the worker's socket.
        order: UTF-8 JSON of the order.
        patience: seconds to wait for a worker that is not there.
        attempts: how often the order is sent at most, to a new worker after one that ended over it.

    Raises:
        Unreachable: when no worker is there for `patience` seconds, or each of them ended over the order.
        WorkerError: when the worker answered with an error.
    """
    for _ in range(attempts):
        with _connect(path, patience) as wire:
            try:
                _send(wire, {"order": order.decode()})
                answer = _receive(wire)
            except OSError:
                continue
        if "error" in answer:
            raise WorkerError(parsed(answer["error"]))
        if "reply" in answer:
            return answer["reply"].encode()
    raise Unreachable(
        f"the worker ended {attempts} times over this order; the node's log says why",
        code="worker-died",
        attempts=attempts,
    )


def serve(
    path: Path,
    handle: Callable[[bytes], bytes],
    stop: threading.Event | None = None,
    pause: float = 0.5,
    enough: Callable[[float], bool] = lambda _: False,
) -> None:
    """Answer orders, one at a time, until `stop` is set; of what `handle` raises the sender sees the code.

    It also ends when `enough` returns True; that is called with the seconds since the last order.

    Raises:
        Refusal: when another worker serves this socket.
    """
    with _listen(path) as listener:
        listener.settimeout(pause)
        last = time.monotonic()
        while (stop is None or not stop.is_set()) and not enough(time.monotonic() - last):
            try:
                wire, _ = listener.accept()
            except TimeoutError:
                continue
            with wire, locked(_busy(path), wait=True):
                wire.settimeout(None)
                _answer(wire, handle)
            last = time.monotonic()


def _busy(path: Path) -> Path:
    """The file that a worker locks while it does an order."""
    return path.with_suffix(".busy")


def _answer(wire: socket.socket, handle: Callable[[bytes], bytes]) -> None:
    try:
        order = _receive(wire).get("order")
    except OSError:
        return
    if order is None:
        return
    try:
        answer = {"reply": handle(order.encode()).decode()}
    except Exception as error:
        # An error belongs to this order only; the worker goes on, and the coordinator gets the code.
        if isinstance(error, RatatouilleError):
            _THROTTLE.warn(_log, error.code, f"an order was refused: {error}")
        else:
            _log.exception("an order was not done")
        answer = {"error": failure_of(error).to_json().decode()}
    # The executor may have been restarted in the meantime: the order is done all the same, and will be known.
    with contextlib.suppress(OSError):
        _send(wire, answer)


def _connect(path: Path, patience: float) -> socket.socket:
    deadline = time.monotonic() + patience
    while True:
        wire = socket.socket(socket.AF_UNIX)
        try:
            with _address(path) as address:
                wire.connect(address)
            return wire
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
            wire.close()
            if time.monotonic() > deadline:
                raise Unreachable(
                    f"no worker answers at {path}; is the node's worker running?", code="worker-absent"
                ) from error
            time.sleep(0.1)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Unreachable):
        _connect(path, patience=0).close()
        raise Refusal(f"another worker already serves {path}; stop it first")
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # Only the node's owner may give orders, so the socket is made closed to others.
    before = os.umask(0o177)
    try:
        with _address(path) as address:
            listener.bind(address)
    finally:
        os.umask(before)
    listener.listen(4)
    return listener


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """The path, or a shorter name of the same place: the kernel allows 108 bytes, folders may be deeper."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    if sys.platform != "linux":
        raise Refusal(f"the path of the worker's socket is too long: {path}; choose a shorter folder for the node")
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError as error:
        raise FileNotFoundError(path) from error
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _send(wire: socket.socket, message: dict[str, str]) -> None:
    wire.sendall(json.dumps(message).encode() + b"\n")


def _receive(wire: socket.socket) -> dict[str, str]:
    """One line; raises OSError when the other side ends before it is complete, or says something else."""
    with wire.makefile("rb") as lines:
        line = lines.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the other side ended in the middle of a line")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConnectionAbortedError("the other side does not speak our protocol") from error
    return {key: value for key, value in message.items() if isinstance(value, str)}
