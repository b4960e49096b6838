"""The coordinator's executor, in place of `flower-superexec`; it starts ServerApps: `python -m coordinator.executor`.

Flower's own executor knows no secret, and writes each task's token on a command line, where every user of the machine
can read it. This one signs what it asks, and hands the token over through a pipe. It keeps one ServerApp in reserve,
which has imported everything: after a crash, on a busy machine, imports were half of the time until a round went on.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import time
from logging import INFO, WARNING
from pathlib import Path

import httpx
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore import log
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from ratatouille.exchange.bundle import SigningInterceptor
from ratatouille.printable import PrintableFilter
from ratatouille.processes import module
from ratatouille.processes.ending import end_at_once_on_signals
from ratatouille.processes.secret import Secret

_POLL_SECONDS = 0.2
"""How often it asks for a submitted run: a fifth of a second costs 1 % of a core."""
_RESERVE_SECONDS = 60.0
"""A ServerApp that has just begun has the processors for itself so long, then the next reserve is started."""


class Executor:
    """Takes tasks of one SuperLink; each ServerApp is a child of this process."""

    def __init__(self, address: str, secret: Path, accepted: list[str]) -> None:
        version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
        signing = SigningInterceptor(Secret.open(secret))
        self._client = RuntimeHttpClient.from_server_address(address, True, None, [version, signing])
        self._command = [*module("coordinator.serverapp"), "--runtime", address, "--secret", str(secret)]
        self._command += ["--parent", str(os.getpid())]
        self._command += [word for one in accepted for word in ("--accept", one)]
        self._running: list[subprocess.Popen[bytes]] = []
        self._reserve: subprocess.Popen[bytes] | None = None
        self._reserve_from = 0.0

    def look(self) -> None:
        """Take a task, if there is one, and start its ServerApp."""
        self._running = [process for process in self._running if process.poll() is None]
        if self._reserve is not None and self._reserve.poll() is not None:
            self._reserve, self._reserve_from = None, time.monotonic() + _RESERVE_SECONDS
        if self._reserve is None and time.monotonic() >= self._reserve_from:
            self._reserve = self._launch()
        try:
            acquired = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
        except httpx.ConnectError:
            self._end_all()  # The SuperLink is gone, and its runs with it: the next one stops them.
        except (httpx.TransportError, httpx.HTTPStatusError) as error:
            log(WARNING, "The SuperLink gave no answer: %s", error)
        else:
            if acquired.HasField("task") and acquired.token:
                self._start(acquired.token)

    def _start(self, token: str) -> None:
        process = self._reserve or self._launch()
        self._reserve, self._reserve_from = None, time.monotonic() + _RESERVE_SECONDS
        assert process.stdin is not None
        try:
            process.stdin.write(token.encode() + b"\n")
            process.stdin.close()
        except OSError as error:
            log(WARNING, "A ServerApp ended at once: %s", error)
        self._running.append(process)

    def _launch(self) -> subprocess.Popen[bytes]:
        """A ServerApp that imports what it needs, then waits for a token."""
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603

    def _end_all(self) -> None:
        for process in self._running:
            process.terminate()


def main() -> None:
    """The process's entry, as `superlink` starts it."""
    parser = argparse.ArgumentParser(description="Executor of a coordinator.")
    parser.add_argument("--runtime", required=True, help="host:port of the SuperLink")
    parser.add_argument("--secret", required=True, type=Path, help="file with the secret that the SuperLink knows")
    parser.add_argument("--accept", action="append", default=[], help="hash of an accepted bundle; ours, unless given")
    arguments = parser.parse_args()
    end_at_once_on_signals()  # its reaper ends the ServerApps
    logging.getLogger("flwr").addFilter(PrintableFilter())
    executor = Executor(arguments.runtime, arguments.secret, arguments.accept)
    log(INFO, "Executor ready")
    while True:
        executor.look()
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
