"""Flower's client of the fleet's calls, which notes whether the coordinator answers; used inside of the SuperNode only.

Flower is imported when `noting_client` is called: the node's own process needs the name of the variable only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contributor_client.lane_state import LaneFile

LANE = "RATATOUILLE_LANE"
"""The environment variable that names the file with the lane's state."""
_STEADY_CALLS = ("/v1/fleet/activate-node", "/v1/fleet/pull-messages", "/v1/fleet/send-node-heartbeat")
"""Calls that a coordinator who knows this node never refuses; others it may, such as a reply to a run that is over."""


def noting_client(lane: LaneFile, back: Callable[[], None]) -> type[Any]:
    """A class for Flower's `FleetHttpClient`; `back` is called when an answer comes after a failure."""
    import httpx
    from flwr.supernode.fleet_http_client import FleetHttpClient

    class NotingClient(FleetHttpClient):
        failing = False

        def _unary_unary(self, *, path: str, **more: Any) -> Any:
            try:
                response = super()._unary_unary(path=path, **more)
            except httpx.HTTPStatusError as error:
                if path in _STEADY_CALLS:
                    self._failed(f"what answers there refuses (HTTP {error.response.status_code})")
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

        def _failed(self, problem: str) -> None:
            NotingClient.failing = True
            lane.fail(problem)

    return NotingClient
