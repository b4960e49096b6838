"""Flower's SuperNode, guarded, with our executor: `python -m contributor_client.flower_supernode`.

It takes the options of `flower-supernode`, and `--accept HASH` for each bundle that its executor accepts. Flower hands
out tasks through an API that it serves to every local user; here a guard stands before it, and only programs that know
the secret of `--superexec-auth-secret-file` are answered. The executor is a thread: a process of its own would import
Flower once more.

It notes in a file whether the coordinator answers (`lane_file`). A coordinator that does not answer is tried every two
seconds; Flower's own pauses would grow to twenty.

Flower 1.42 pauses for a fixed 3 s when it finds no message and for 0.5 s between two looks for a reply. A round hands
its next work to the node that has become free, so nodes would lose those seconds at every stage of a round. There is no
setting for it; the pauses are one name in one module of the pinned release, and a test says when that changes. The
clock by which it signs its calls is another (`clock`).
"""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from flwr.supercore.retry import http_retry
from flwr.supernode import fleet_http_connection, node_auth_http_interceptor, start_client_internal
from flwr.supernode import main as flower_api
from flwr.supernode.cli import flower_supernode
from flwr.supernode.fleet_http_client import FleetHttpClient

from contributor_client.clock import seconds_to_add
from contributor_client.executor import execute_forever
from contributor_client.lane_file import CLOCK, LANE, OUTBOX, LaneFile
from contributor_client.message_intake import MessageIntake, pull_soon
from ratatouille.errors import Unreachable
from ratatouille.exchange.bundle import accepted_bundles
from ratatouille.outbox import Message, Outbox
from ratatouille.printable import log_printably_as
from ratatouille.processes.guard import Guard, Rules
from ratatouille.processes.ports import LOOPBACK
from ratatouille.processes.secret import Secret

_log = logging.getLogger("flwr")
REPLY_SECONDS = 0.1
SOON_SECONDS = 0.5
"""Between two looks for a message shortly after the last one; a look costs the SuperLink some 15 ms of a processor."""
SHORTLY = 6.0
"""Seconds after the last message in which `SOON_SECONDS` holds."""
BACK_SECONDS = 30.0
"""The same, after a coordinator that did not answer is back."""
LONGEST_RETRY_SECONDS = 2.0
_FLOWERS_IDLE_SECONDS = 3
_HEARTBEAT = "/v1/fleet/send-node-heartbeat"
_STEADY_CALLS = ("/v1/fleet/activate-node", "/v1/fleet/pull-messages", _HEARTBEAT)
"""Calls that a coordinator who knows this node never refuses; others it may, such as a reply to a run that is over."""
_AWAY = (502, 503, 504)
"""What a front door answers while there is no SuperLink behind it: Flower repeats a heartbeat then."""


class Pauses:
    """Stands in for the module `time` in Flower's loop, which calls `sleep` only."""

    def __init__(self, has_reply: Callable[[], bool] | None = None) -> None:
        """`has_reply` says whether a reply waits to be sent, which ends a pause; None for one worker: no pause is made
        while that has work."""
        self._worked = time.monotonic()
        self._has_reply = has_reply

    def expect_message(self) -> None:
        """Look often for half a minute: a coordinator that came back asks its nodes who they are, then has orders."""
        self._worked = time.monotonic() + BACK_SECONDS - SHORTLY

    def sleep(self, seconds: float) -> None:
        """Sleep as long as Flower asks to, but shortly while a reply or the next message is to be expected."""
        if seconds < _FLOWERS_IDLE_SECONDS:
            self._worked = time.monotonic()
            time.sleep(min(seconds, REPLY_SECONDS))
            return
        left = SOON_SECONDS if time.monotonic() - self._worked < SHORTLY else seconds
        if self._has_reply is None:
            time.sleep(left)
            return
        while left > 0 and not self._has_reply():
            time.sleep(min(left, REPLY_SECONDS))
            left -= REPLY_SECONDS


def noting_client(lane: LaneFile, outbox: Outbox, back: Callable[[], None]) -> type[Any]:
    """A class for Flower's `FleetHttpClient`, which logs each call before it leaves.

    `back` is called when an answer comes after a failure. A heartbeat that is refused ends the process in order, which
    is started anew: Flower's thread of heartbeats would end by an error, and the node be deaf.
    """

    class NotingClient(FleetHttpClient):
        failing = ending = False

        def _unary_unary(self, *, path: str, request: Any, **more: Any) -> Any:
            if path != _HEARTBEAT:
                return self._noted(path=path, request=request, **more)
            try:
                response = self._noted(path=path, request=request, **more)
                if response.success:
                    return response
                problem = "this node is not known there"
            except httpx.TransportError:
                raise
            except Exception as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.status_code in _AWAY:
                    raise
                problem = type(error).__name__
            if not NotingClient.ending:  # a second signal would cut the end short
                NotingClient.ending = True
                _log.warning("a heartbeat was refused (%s): begins anew", problem)
                os.kill(os.getpid(), signal.SIGINT)
            raise httpx.ConnectError(problem)

        def _noted(self, *, path: str, request: Any, **more: Any) -> Any:
            try:
                outbox.log(Message("flower", request.ByteSize(), path, same_as=path))
            except Unreachable as error:
                self._failed("the log of what leaves this node cannot be written")
                raise httpx.ConnectError(str(error)) from error
            try:
                response = super()._unary_unary(path=path, request=request, **more)
            except httpx.HTTPStatusError as error:
                if path in _STEADY_CALLS:
                    status = error.response.status_code
                    self._failed(f"what answers there refuses (HTTP {status})", status)
                raise
            except httpx.TransportError as error:
                self._failed(f"it cannot be reached ({type(error).__name__})")
                raise
            except Exception:
                self._failed("what answers there is no SuperLink of this kind")
                raise
            lane.answer()
            if NotingClient.failing:
                NotingClient.failing = False
                back()
            return response

        def _failed(self, problem: str, status: int = 0) -> None:
            NotingClient.failing = True
            lane.fail(problem, status)

    return NotingClient


def sign_with_the_registrys_time(path: Path) -> None:
    """From now on, the time that Flower's client signs is this clock's with the seconds added that a file has."""

    def now() -> datetime:
        return datetime.fromtimestamp(time.time() + seconds_to_add(path), UTC)

    vars(node_auth_http_interceptor)["now"] = now


def put_guard_before_api(port: int, secret: Secret) -> None:
    """From now on, what Flower listens with is behind a guard; only the executor calls it."""
    rules = Rules(port, open_paths=frozenset(), signed_prefixes=("/v1/runtime/",))
    create = flower_api.create_app

    def create_guarded(*given: Any, **named: Any) -> Guard:
        return Guard(create(*given, **named), rules, secret)

    flower_api.create_app = create_guarded  # type: ignore[assignment]


def start_executor(port: int, secret_file: Path, accepted: Sequence[str], outbox: Outbox | None, workers: int) -> None:
    """Take this SuperNode's tasks, in a thread for each worker; should one fail, the process is started anew."""

    def execute() -> None:
        try:
            execute_forever(f"{LOOPBACK}:{port}", secret_file, accepted, outbox)
        except BaseException:
            _log.exception("the executor failed")
        finally:
            os._exit(1)

    _log.info("executor ready; accepts bundle %s", ", ".join(accepted))
    for _ in range(workers):
        threading.Thread(target=execute, name="executor", daemon=True).start()


def _begin_anew() -> None:
    """End this process, which is started anew; what the workers do goes on."""
    _log.warning("a message could not come in whole while others were at work: begins anew")
    os._exit(1)


def main() -> None:
    """Run `flower-supernode` with our guard, our pauses and our executor."""
    own_options = argparse.ArgumentParser(add_help=False)
    own_options.add_argument("--accept", action="append", help="hash of an accepted bundle; ours, unless given")
    own_options.add_argument("--workers", type=int, default=1, help="how many workers the node has")
    own, sys.argv[1:] = own_options.parse_known_args()
    flower_options = argparse.ArgumentParser(add_help=False)
    flower_options.add_argument("--port", type=int, required=True)
    flower_options.add_argument("--superlink", default="")
    flower_options.add_argument("--superexec-auth-secret-file", type=Path, required=True)
    known, _ = flower_options.parse_known_args()
    log_printably_as("flwr")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a scheduler's warning; the node ends this process in order
    put_guard_before_api(known.port, Secret.open(known.superexec_auth_secret_file))
    vars(http_retry)["MAX_RETRY_DELAY"] = LONGEST_RETRY_SECONDS
    loop = vars(start_client_internal)
    intake = MessageIntake(loop["_pull_and_store_message"], loop["_push_messages"], own.workers, _begin_anew)
    pauses = Pauses(intake.has_reply if own.workers > 1 else None)
    start_client_internal.time = pauses  # type: ignore[assignment, attr-defined]
    loop["_pull_and_store_message"] = intake.take
    loop["_push_messages"] = intake.send_replies
    loop["pull_objects"] = pull_soon
    outbox = Outbox(Path(os.environ[OUTBOX]), known.superlink) if OUTBOX in os.environ else None
    if LANE in os.environ and outbox is not None:
        client = noting_client(LaneFile(Path(os.environ[LANE])), outbox, pauses.expect_message)
        vars(fleet_http_connection)["FleetHttpClient"] = client
    if CLOCK in os.environ:
        sign_with_the_registrys_time(Path(os.environ[CLOCK]))
    if outbox is not None:
        atexit.register(outbox.flush)
    start_executor(known.port, known.superexec_auth_secret_file, own.accept or accepted_bundles(), outbox, own.workers)
    flower_supernode()
    # An error has ended Flower's loop, and the thread that serves its API would keep the process.
    os._exit(1)


if __name__ == "__main__":
    main()
