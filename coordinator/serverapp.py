"""The process of one run, in place of `flwr-serverapp`: it runs the installed ServerApp, and only for our own bundle.

Flower would unpack any bundle that a run has, and run what it names. Here a bundle is compared with the accepted
hashes before anything of it is unpacked. The process is a fork of the executor, so it has imported everything, and no
other user of the machine sees the task's token; requests are signed with the secret, without which no token is of use.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from queue import Queue
from typing import Any

from flwr.supercore.logger import mirror_output_to_queue, restore_output
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.runtime import run_serverapp

from coordinator.dispatch import ReplyPuller
from ratatouille.exchange.bundle import SigningInterceptor, refuse_foreign_bundle
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


def serve_run(address: str, token: str, parent: int, root: bytes | None = None) -> None:
    """Run the ServerApp of one task of the SuperLink at `host:port`; `prepare` was called in this process or before.

    Args:
        address: the SuperLink's.
        token: what the SuperLink gave with the task.
        parent: the process whose end is the end of this one.
        root: the certificate of a SuperLink that speaks TLS.
    """
    lines: Queue[str | None] = Queue()
    mirror_output_to_queue(lines)
    run_serverapp(
        runtime_api_address=address,
        log_queue=lines,
        token=token,
        insecure=root is None,
        certificates=root,
        parent_pid=parent,
        runtime_dependency_install=False,
    )
    restore_output()
