"""Submitting, watching and stopping Flower runs, from any process on the SuperLink's machine.

This speaks Flower's control API with Flower's own client classes, which are internal: hence the exact pin of flwr. One
run of ours is one round; the registry says what happens in it; this module says only whether it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

import httpx
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.run_pb2 import Run
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from coordinator.loopback_tls import LoopbackTls
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.bundle import SigningInterceptor, build_bundle
from ratatouille.processes.secret import Secret
from ratatouille.record import sha256

RunStatus = Literal["pending", "running", "completed", "failed", "stopped", "unknown"]
T = TypeVar("T")


@dataclass(frozen=True)
class FlowerNode:
    """A SuperNode as the SuperLink sees it; which of our nodes it is, only the node itself can say (see `dispatch`)."""

    id: int
    online: bool
    public_key: bytes
    name: str


class Control:
    """A client of one SuperLink's control API, for `host:port` on loopback; it knows the SuperLink's secret."""

    def __init__(self, address: str, secret: Secret, tls: LoopbackTls | None = None) -> None:
        """`tls` is the SuperLink's certificate, where it speaks TLS."""
        self._address = address
        version, signing = RuntimeVersionHttpInterceptor(component_name="flwr-cli"), SigningInterceptor(secret)
        root = None if tls is None else tls.certificate.read_bytes()
        self._client = ControlHttpClient.from_server_address(address, root is None, root, [version, signing])

    def submit(self, round: str, registry: str, bundle: bytes | None = None) -> int:
        """Start a Flower run for a round and return its id; `bundle` is ours unless a test brings another.

        Raises:
            Unreachable: when no SuperLink answers.
            Refusal: when Flower refuses the run; with its reason.
        """
        archive = build_bundle() if bundle is None else bundle
        request = StartRunRequest(
            fab=fab_to_proto(Fab(sha256(archive), archive, {})),
            override_config=user_config_to_proto({"round": round, "registry": registry}),
        )
        response = self._call(lambda: self._client.StartRun(request))
        if not response.run_id:
            raise Refusal(f"Flower did not start a run for round {round}; look into the SuperLink's log")
        return int(response.run_id)

    def status(self, run: int) -> RunStatus:
        """Where a run stands; `unknown` when the SuperLink has no such run.

        Raises:
            Unreachable: when no SuperLink answers.
        """
        found = self._list(ListRunsRequest(run_id=run)).get(run)
        return "unknown" if found is None else _status(found)

    def failure(self, run: int) -> str:
        """Why a run failed, in Flower's words; empty when it did not, or is unknown."""
        found = self._list(ListRunsRequest(run_id=run)).get(run)
        return "" if found is None else str(found.status.details)

    def stop(self, run: int) -> bool:
        """End a run and its ServerApp; False when it had ended before, or is unknown."""
        try:
            return bool(self._call(lambda: self._client.StopRun(StopRunRequest(run_id=run))).success)
        except _FlowerRefusal as error:
            if error.flower_code in (ApiErrorCode.RUN_ID_NOT_FOUND, ApiErrorCode.RUN_ALREADY_FINISHED):
                return False
            raise

    def stop_unfinished_runs(self, before: float) -> list[int]:
        """Stop every run that was submitted before a moment (seconds since 1970) and is not over; returns their ids."""
        runs = self._list(ListRunsRequest(limit=100)).values()
        old = [run for run in runs if datetime.fromisoformat(run.pending_at).timestamp() < before]
        return [int(run.run_id) for run in old if _status(run) in ("pending", "running") and self.stop(run.run_id)]

    def nodes(self) -> list[FlowerNode]:
        """The SuperNodes that may take part, online or not, by id."""
        response = self._call(lambda: self._client.ListNodes(ListNodesRequest()))
        found = (node for node in response.nodes_info if node.status != "unregistered")
        nodes = [FlowerNode(int(n.node_id), n.status == "online", n.public_key, n.name) for n in found]
        return sorted(nodes, key=lambda node: node.id)

    def register(self, public_key: bytes, name: str) -> int:
        """Let a node take part by its public key (PEM); returns Flower's number for it.

        Raises:
            Refusal: for a key that is registered, that was unregistered once, or that is none.
        """
        request = RegisterNodeRequest(public_key=public_key, name=name)
        return int(self._call(lambda: self._client.RegisterNode(request)).node_id)

    def unregister(self, node: int) -> bool:
        """Let a node take part no more, from its next poll on; False when the SuperLink does not know it."""
        try:
            self._call(lambda: self._client.UnregisterNode(UnregisterNodeRequest(node_id=node)))
        except _FlowerRefusal as error:
            if error.flower_code == ApiErrorCode.NODE_NOT_FOUND:
                return False
            raise
        return True

    def close(self) -> None:
        """Close the connection; the SuperLink goes on."""
        self._client.close()

    def _list(self, request: ListRunsRequest) -> dict[int, Run]:
        try:
            response = self._call(lambda: self._client.ListRuns(request))
        except _FlowerRefusal as error:
            if error.flower_code == ApiErrorCode.RUN_ID_NOT_FOUND:
                return {}
            raise
        return dict(response.run_dict.items())

    def _call(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except httpx.HTTPStatusError as error:
            answer = FlowerError.from_json(error.response.text)
            raise _FlowerRefusal(str(answer.message if answer else error), answer.code if answer else None) from error
        except httpx.TransportError as error:
            raise Unreachable(f"no SuperLink answers at {self._address}; is the coordinator up?") from error


class _FlowerRefusal(Refusal):
    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(f"Flower refused: {message}")
        self.flower_code = code


def _status(run: Run) -> RunStatus:
    """Flower's two words as one; `starting` is pending to us, since no code of ours runs yet."""
    if run.status.status == "finished":
        endings: dict[str, RunStatus] = {"completed": "completed", "stopped": "stopped"}
        return endings.get(run.status.sub_status, "failed")
    return "running" if run.status.status == "running" else "pending"
