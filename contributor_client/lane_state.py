"""State of a node's work lane: a small file that the SuperNode writes and the node reads.

The SuperNode asks the coordinator for messages every few seconds and sends a sign of life every twenty; its client
notes each answer and each failure in the file. The node reads it to say whether orders can reach it. Flower is imported
when `noting_client` is called: the node's own process needs the name of the variable only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANE = "RATATOUILLE_LANE"
"""The environment variable that names the file with the lane's state."""
_STEADY_CALLS = ("/v1/fleet/activate-node", "/v1/fleet/pull-messages", "/v1/fleet/send-node-heartbeat")
"""Calls that a coordinator who knows this node never refuses; others it may, such as a reply to a run that is over."""
FRESH_SECONDS = 60.0
"""An answer counts for so long: at work there is one about every twenty seconds."""
_NOTE_SECONDS = 1.0


@dataclass(frozen=True)
class LaneState:
    """What was noted last."""

    answered: float = 0.0
    """When the coordinator last answered, in seconds since 1970; 0 for never."""
    problem: str = ""
    """Why the last call failed; empty when it was answered."""

    def hears(self, now: float) -> bool:
        """Whether orders can reach the node."""
        return not self.problem and now - self.answered < FRESH_SECONDS


class LaneFile:
    """Writes and reads the state; a process that is killed leaves the last one whole."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._last = LaneState()

    def answer(self) -> None:
        """The coordinator has answered. Written once a second at most."""
        now = self._clock()
        if self._last.problem or now - self._last.answered >= _NOTE_SECONDS:
            self._write(LaneState(now))

    def fail(self, problem: str) -> None:
        """The coordinator has not answered."""
        if problem != self._last.problem:
            self._write(LaneState(self._last.answered, problem))

    def read(self) -> LaneState:
        """The state as it was noted last; that of a lane that never answered, when nothing was."""
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
            return LaneState(float(values["answered"]), str(values["problem"]))
        except (OSError, ValueError, KeyError, TypeError):
            return LaneState()

    def forget(self) -> None:
        """Begin anew: what was noted by an earlier SuperNode says nothing of the next one."""
        self._path.unlink(missing_ok=True)

    def _write(self, state: LaneState) -> None:
        self._last = state
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"answered": state.answered, "problem": state.problem}), encoding="utf-8")
        temporary.replace(self._path)


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
