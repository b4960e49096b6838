"""The coordinator's executor, in place of `flower-superexec`; it starts ServerApps: `python -m coordinator.executor`.

Flower's own executor knows no secret, and writes each task's token on a command line, where every user of the machine
can read it. This one signs what it asks. It imports what a ServerApp needs once, and forks each of them: imports were
half of the time until a round went on after a crash. It has no threads, which a fork would lose.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import time
from collections.abc import Collection
from logging import INFO, WARNING
from multiprocessing.context import ForkProcess
from pathlib import Path

import httpx
from flwr.common.constant import SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest
from flwr.supercore import log
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from coordinator.serverapp import prepare, serve_run
from ratatouille.exchange.bundle import SigningInterceptor, accepted_bundles
from ratatouille.printable import log_printably_as
from ratatouille.processes.ending import end_at_once_on_signals
from ratatouille.processes.secret import Secret

_POLL_SECONDS = 0.5
"""Between two questions for a submitted run; each one is work for the SuperLink too."""


class Executor:
    """Takes tasks of one SuperLink; each ServerApp is a child of this process."""

    def __init__(self, address: str, secret: Secret, accepted: Collection[str], root: bytes | None = None) -> None:
        """`accepted` are the hashes of the bundles that may run; `root` is the certificate of a SuperLink with TLS."""
        version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
        self._interceptors: list[ProtobufClientInterceptor] = [version, SigningInterceptor(secret)]
        self._client = RuntimeHttpClient.from_server_address(address, root is None, root, self._interceptors)
        self._address = address
        self._root = root
        self._running: dict[ForkProcess, str] = {}
        """Each ServerApp with the token of its task."""
        prepare(secret, accepted)
        importlib.import_module("coordinator.rounds")  # what the bundle's ServerApp imports when it begins

    def look(self) -> None:
        """End the runs whose ServerApp was killed; then take a task, if there is one, and start its ServerApp."""
        for process in [one for one in self._running if not one.is_alive()]:
            self._end_run(self._running.pop(process), process.exitcode or 0)
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
        process = multiprocessing.get_context("fork").Process(
            target=serve_run, args=(self._address, token, os.getpid(), self._root), name="serverapp"
        )
        process.start()
        self._running[process] = token

    def _end_run(self, token: str, exit_code: int) -> None:
        """Report a ServerApp that was killed: Flower would wait for a sign of life for a minute."""
        if exit_code >= 0:
            return  # it has reported its own end
        failed = PushTaskOutputRequest(
            sub_status=SubStatus.FAILED, details=f"the server process was ended by signal {-exit_code}"
        )
        interceptors = [RuntimeTokenHttpInterceptor(token), *self._interceptors]
        insecure = self._root is None
        with RuntimeHttpClient.from_server_address(self._address, insecure, self._root, interceptors) as client:
            try:
                client.PushTaskOutput(failed)
            except (httpx.TransportError, httpx.HTTPStatusError) as error:
                log(WARNING, "The SuperLink did not take the end of a run: %s", error)

    def _end_all(self) -> None:
        for process in self._running:
            process.terminate()


def main() -> None:
    """The process's entry, as `superlink` starts it."""
    parser = argparse.ArgumentParser(description="Executor of a coordinator.")
    parser.add_argument("--runtime", required=True, help="host:port of the SuperLink")
    parser.add_argument("--secret", required=True, type=Path, help="file with the secret that the SuperLink knows")
    parser.add_argument("--accept", action="append", help="hash of an accepted bundle; ours, unless given")
    parser.add_argument("--certificate", type=Path, help="file with the certificate of a SuperLink that speaks TLS")
    arguments = parser.parse_args()
    end_at_once_on_signals()  # its reaper ends the ServerApps
    log_printably_as("flwr")
    root = arguments.certificate and arguments.certificate.read_bytes()
    executor = Executor(arguments.runtime, Secret.open(arguments.secret), arguments.accept or accepted_bundles(), root)
    log(INFO, "Executor ready")
    while True:
        executor.look()
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main()
