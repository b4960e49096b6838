"""Flower's SuperLink behind a guard: `python -m coordinator.flower_superlink --secret FILE`, then `flower-superlink`'s.

Flower's APIs for control and for running code check no identity. Here only programs that know the secret in the
file are answered there; SuperNodes, which are other people's, reach the paths that they call and no other. It relies on
names inside of Flower, hence the exact pin of flwr.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ratatouille.launch import importing
from ratatouille.printable import log_printably_as
from ratatouille.processes.guard import Guard, Rules
from ratatouille.processes.secret import Secret
from ratatouille.processes.throttle import ThrottleFilter

FLEET_CALLS = (
    "activate-node",
    "confirm-message-received",
    "deactivate-node",
    "get-fab",
    "get-run",
    "pull-messages",
    "pull-object",
    "push-messages",
    "push-object",
    "register-node",
    "send-node-heartbeat",
    "unregister-node",
)
"""The calls of a SuperNode. It signs them with the key that it registered, so it can unregister no other node."""
KEYLESS_CALLS = ("register-node", "unregister-node")
"""Those of a SuperNode whose key is not registered beforehand; none of them passes a front door."""
_OTHER_PORTS = ("FLWR_INTERNAL_GRPC_CONTROL_API", "FLWR_INTERNAL_GRPC_FLEET_API")
"""Environment variables that would make Flower listen on ports without a guard."""
_MOST_CONNECTIONS = 1000


def superlink_rules(port: int) -> Rules:
    """The paths of the fleet and of health are open; those of control and runtime need the secret."""
    fleet = {("POST", f"/v1/fleet/{call}") for call in FLEET_CALLS}
    return Rules(port, frozenset({("GET", "/health"), *fleet}), signed_prefixes=("/v1/control/", "/v1/runtime/"))


def put_guard_before_apis(port: int, secret: Secret) -> None:
    """From now on, what Flower listens with is behind a guard, and strangers cannot fill its log."""
    # By name, because Flower's packages show functions of the same names in the modules' places.
    command = importlib.import_module("flwr.superlink.cli.flower_superlink")
    api = importlib.import_module("flwr.superlink.main")
    create = api.create_app

    def create_guarded(*given: Any, **named: Any) -> Guard:
        return Guard(create(*given, **named), superlink_rules(port), secret)

    def serve(**options: Any) -> None:
        logging.getLogger("uvicorn.error").addFilter(ThrottleFilter())
        # Our own options come last: Flower asks for a line in the log for each request.
        more = {"access_log": False, "http": "h11", "ws": "none", "h11_max_incomplete_event_size": 32 * 2**10}
        run(**options | more, limit_concurrency=_MOST_CONNECTIONS, server_header=False, proxy_headers=False)

    run = command.uvicorn.run
    vars(api)["create_app"] = create_guarded
    vars(command)["uvicorn"] = SimpleNamespace(run=serve)


def main() -> None:
    """The process's entry."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--secret", type=Path, required=True)
    ours, flowers = parser.parse_known_args()
    port = argparse.ArgumentParser(add_help=False)
    port.add_argument("--port", type=int, required=True)
    for name in _OTHER_PORTS:
        os.environ.pop(name, None)
    with importing():
        from flwr.superlink.cli import flower_superlink

        put_guard_before_apis(port.parse_known_args(flowers)[0].port, Secret.open(ours.secret))
    log_printably_as("flwr")
    sys.argv = ["flower-superlink", *flowers]
    flower_superlink()


if __name__ == "__main__":
    main()
