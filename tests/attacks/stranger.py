"""A program that another user of the machine runs: it tries all ports that it is told.

It reads one JSON object from standard input (`ports`, `run`, `nodes`, `files`, `socket`, `bundle`), and prints what
came. Where it may, it becomes the user `nobody` first; everything that it imports is imported before.
"""

import http.client
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from flwr.common.serde import fab_to_proto
from flwr.proto import control_pb2, fleet_pb2, runtime_pb2
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient

from ratatouille.exchange.bundle import SigningInterceptor
from ratatouille.processes.secret import HEADER, Secret
from ratatouille.record import sha256

NOBODY = 65534
_OTHER_PATHS = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc", "/v1/responses", "/", "/metrics")


_ROUTERS = ("flwr.superlink.routers.control.router", "flwr.supercore.routers.runtime.router")
FLOWERS_PATHS = [route.path for name in _ROUTERS for route in importlib.import_module(name).router.routes]
"""Every path of Flower's APIs, the fleet's apart, as its routers have them."""


Connect = Callable[[], http.client.HTTPConnection]


def statuses(connect: Connect, headers: dict[str, str]) -> dict[str, int | None]:
    """What a port answers at each path; None where it does not speak HTTP/1."""
    found: dict[str, int | None] = {}
    for method, path in [*(("POST", one) for one in FLOWERS_PATHS), *(("GET", one) for one in _OTHER_PATHS)]:
        with closing(connect()) as connection:
            try:
                connection.request(method, path, b"", {"content-type": "application/protobuf", **headers})
                found[f"{method} {path}"] = connection.getresponse().status
            except (OSError, http.client.HTTPException):
                found[f"{method} {path}"] = None
                if len(found) > 2 and not any(found.values()):
                    return found  # not HTTP/1: no need to try every path
    return found


def told(attempt: Any) -> str:
    """What an attempt came to: the status that refused it, or what it got."""
    try:
        return f"got {attempt()}"
    except httpx.HTTPStatusError as error:
        return f"status {error.response.status_code}"
    except (httpx.HTTPError, ValueError) as error:
        return type(error).__name__


def attempts(address: str, aims: dict[str, Any], interceptors: list[Any], root: bytes | None = None) -> dict[str, str]:
    """The attacks that succeeded on 0.1.0, made with Flower's own clients; `root` is the authority of a front door."""
    clients = [RuntimeVersionHttpInterceptor(component_name="flwr-cli"), *interceptors]
    way = (address, root is None, root, clients)
    control, runtime = ControlHttpClient.from_server_address(*way), RuntimeHttpClient.from_server_address(*way)
    bundle = bytes.fromhex(aims["bundle"])
    start = control_pb2.StartRunRequest(fab=fab_to_proto(Fab(sha256(bundle), bundle, {})))
    stop = control_pb2.StopRunRequest(run_id=aims["run"])
    types = [TaskType.SERVER_APP, TaskType.CLIENT_APP]
    acquire = runtime_pb2.AcquireTaskRequest(supported_task_types=types)
    tried = {
        "start run": told(lambda: control.StartRun(start)),
        "stop run": told(lambda: control.StopRun(stop)),
        "list runs": told(lambda: control.ListRuns(control_pb2.ListRunsRequest(limit=9))),
        "list nodes": told(lambda: control.ListNodes(control_pb2.ListNodesRequest())),
        "register": told(lambda: control.RegisterNode(control_pb2.RegisterNodeRequest(public_key=b"x"))),
        "acquire task": told(lambda: runtime.AcquireTask(acquire)),
    }
    for node in aims["nodes"]:
        gone = control_pb2.UnregisterNodeRequest(node_id=node)
        tried[f"unregister {node}"] = told(lambda gone=gone: control.UnregisterNode(gone))
        with FleetHttpClient.from_server_address(*way) as fleet:
            leave = fleet_pb2.UnregisterNodeFleetRequest(node_id=node)
            tried[f"leave {node}"] = told(lambda leave=leave: fleet.UnregisterNode(leave))
            rest = fleet_pb2.DeactivateNodeRequest(node_id=node)
            tried[f"deactivate {node}"] = told(lambda rest=rest: fleet.DeactivateNode(rest))
    return tried


def forgeries() -> dict[str, list[Any]]:
    """Nothing, our signature with another secret, and Flower's own with an empty one."""
    secret = b"0" * 64
    acquire = ["/flwr.proto.Runtime/AcquireTask"]
    return {
        "unsigned": [],
        "forged": [SigningInterceptor(Secret(secret))],
        "flower's": [SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=acquire)],
    }


def readable(path: str) -> str:
    """Whether a file can be read: its text, or why not."""
    try:
        return Path(path).read_bytes()[:200].hex()
    except OSError as error:
        return type(error).__name__


def connected(path: str) -> str:
    """Whether a socket takes us."""
    with socket.socket(socket.AF_UNIX) as wire:
        try:
            wire.connect(path)
        except OSError as error:
            return type(error).__name__
    return "connected"


def main() -> None:
    """Become nobody, try everything, say what came."""
    aims = json.load(sys.stdin)
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    web = {HEADER: Secret(b"guess").sign("POST", "/v1/control/start-run", b"")}
    seen: dict[str, Any] = {"user": os.getuid(), "ports": {}}
    for port in aims["ports"]:
        connect = partial(http.client.HTTPConnection, "127.0.0.1", port, timeout=10)
        plain = statuses(connect, {})
        seen["ports"][port] = {
            "paths": [plain, statuses(connect, web)],
            "attempts": {name: attempts(f"127.0.0.1:{port}", aims, more) for name, more in forgeries().items()}
            if any(plain.values())
            else {},
        }
    seen["files"] = {path: readable(path) for path in aims["files"]}
    seen["socket"] = connected(aims["socket"])
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
