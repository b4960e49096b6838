"""The process of one run, in place of `flwr-serverapp`: it runs the installed ServerApp, and only for our own bundle.

Flower would unpack any bundle that a run has, and run what it names. Here a bundle is compared with the accepted
hashes before anything of it is unpacked. The task's token comes through standard input, so that no other user of the
machine sees it; requests are signed with the secret, without which no token is of use.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from queue import Queue
from typing import Any

from flwr.supercore.logger import mirror_output_to_queue, restore_output
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from coordinator.dispatch import ReplyPuller
from ratatouille.exchange.bundle import SigningInterceptor, bundle_hash, refuse_foreign_bundle
from ratatouille.processes.secret import Secret
from ratatouille.record import sha256


def prepare(secret: Secret, accepted: Collection[str]) -> None:
    """Have Flower's runner sign its requests, refuse bundles that are not accepted, and survive any reply."""
    runner = importlib.import_module("flwr.superlink.runtime.run_serverapp")
    grid = importlib.import_module("flwr.superlink.grid.http_grid")
    install = runner.install_from_fab

    class SigningClient(RuntimeHttpClient):
        def __init__(self, base: str, *, interceptors: Sequence[ProtobufClientInterceptor], **more: Any) -> None:
            super().__init__(base, interceptors=[*interceptors, SigningInterceptor(secret)], **more)

    def install_ours(fab: bytes, **more: Any) -> Any:
        refuse_foreign_bundle({sha256(fab)}, accepted, "this coordinator")
        return install(fab, **more)

    vars(grid)["RuntimeHttpClient"] = SigningClient
    vars(grid)["pull_objects"] = ReplyPuller()
    vars(runner)["install_from_fab"] = install_ours


def main() -> None:
    """The process's entry, as `executor` starts it."""
    parser = argparse.ArgumentParser(description="ServerApp of a coordinator; the task's token is read from stdin.")
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--secret", required=True, type=Path)
    parser.add_argument("--parent", required=True, type=int)
    parser.add_argument("--accept", action="append", help="hash of an accepted bundle; ours, unless given")
    arguments = parser.parse_args()
    prepare(Secret.open(arguments.secret), arguments.accept or [bundle_hash()])
    from flwr.superlink.runtime import run_serverapp

    importlib.import_module("coordinator.rounds")  # before there is a task, so that a round need not wait for it
    token = sys.stdin.readline().strip()
    if not token:
        return  # the executor has ended
    lines: Queue[str | None] = Queue()
    mirror_output_to_queue(lines)
    run_serverapp(
        runtime_api_address=arguments.runtime,
        log_queue=lines,
        token=token,
        insecure=True,
        parent_pid=arguments.parent,
        runtime_dependency_install=False,
    )
    restore_output()


if __name__ == "__main__":
    main()
