"""Our executor: asks the SuperNode for tasks and answers them, in place of `flower-superexec`.

This is where a node keeps its owner's promise. A task of any bundle but ours is answered with a refusal; and the
ClientApp that runs is always the installed one, so that not even an accepted bundle could bring code. It imports no
torch and lives on between messages, so an order reaches the worker in milliseconds.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Collection
from logging import ERROR, INFO, WARNING
from pathlib import Path

import httpx
from flwr.common.constant import ErrorCode
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore import log
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor

from contributor_client.app import app
from contributor_client.relay import WorkerError
from contributor_client.task import ClaimedTask, runtime_client
from ratatouille.exchange.bundle import ForeignBundle, bundle_hash, refuse_foreign_bundle
from ratatouille.failure import failure_of
from ratatouille.printable import PrintableFilter
from ratatouille.processes.secret import Secret
from ratatouille.processes.signals import end_at_once_on_signals

_POLL_SECONDS, _IDLE_POLL_SECONDS, _IDLE_AFTER = 0.1, 0.5, 2.0
"""How often it asks: often while orders come one after the other, seldom after some idle seconds."""
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"


def execute_forever(address: str, secret_file: Path, accepted: Collection[str]) -> None:
    """Take tasks from the SuperNode at `host:port`, one after the other; outlives restarts of the SuperNode."""
    secret = Secret.open(secret_file)
    flowers = load_superexec_auth_secret(str(secret_file))
    assert flowers is not None
    authentication = SuperExecAuthHttpInterceptor(master_secret=flowers, protected_methods=[_ACQUIRE])
    client = runtime_client(address, secret, authentication)
    last = time.monotonic()
    while True:
        try:
            acquired = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
            if acquired.HasField("task") and acquired.token:
                execute(ClaimedTask(address, secret, acquired.token), accepted)
                last = time.monotonic()
                continue
        except httpx.TransportError:
            pass  # The SuperNode is starting or restarting.
        time.sleep(_POLL_SECONDS if time.monotonic() - last < _IDLE_AFTER else _IDLE_POLL_SECONDS)


def execute(task: ClaimedTask, accepted: Collection[str]) -> None:
    """Answer one task; whatever goes wrong at work becomes its answer.

    Raises:
        httpx.TransportError: when the SuperNode is gone.
    """
    try:
        with task.kept():
            given = task.pull()
            try:
                refuse_foreign_bundle(given.bundle_hashes, accepted)
                reply = app(message=given.message, context=given.context)
            except Exception as error:
                foreign = isinstance(error, ForeignBundle)
                # What it says in words stays in this log: it may name files of the node.
                log(WARNING, "Answered with an error: %s: %s", type(error).__name__, error)
                failure = error.failure if isinstance(error, WorkerError) else failure_of(error)
                task.fail(given, ErrorCode.INVALID_FAB if foreign else ErrorCode.CLIENT_APP_RAISED_EXCEPTION, failure)
            else:
                task.answer(given, reply)
    except (httpx.HTTPStatusError, RuntimeError) as error:
        # The SuperNode has forgotten this task: it was restarted, or gave it up. What the worker did is not lost,
        # because its push to the registry was the commit.
        log(ERROR, "The SuperNode did not take the answer: %s", error)


def main() -> None:
    """`python -m contributor_client.executor`, as `supernode` starts it."""
    parser = argparse.ArgumentParser(description="Executor of a contributor's node.")
    parser.add_argument("--runtime", required=True, help="host:port of the SuperNode's runtime API")
    parser.add_argument("--secret", required=True, type=Path, help="file with the secret that the SuperNode knows")
    parser.add_argument("--accept", action="append", help="hash of an accepted bundle; ours, unless given")
    arguments = parser.parse_args()
    end_at_once_on_signals()  # it keeps nothing: work is the worker's, and an order that got no reply comes again
    logging.getLogger("flwr").addFilter(PrintableFilter())
    accepted = arguments.accept or [bundle_hash()]
    log(INFO, "Executor ready; accepts bundle %s", ", ".join(accepted))
    execute_forever(arguments.runtime, arguments.secret, accepted)


if __name__ == "__main__":
    main()
