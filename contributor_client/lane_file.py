"""The file with the state of a work lane: the SuperNode writes each answer and each failure, the node reads it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

LANE, CLOCK, OUTBOX = "RATATOUILLE_LANE", "RATATOUILLE_CLOCK", "RATATOUILLE_OUTBOX"
"""Environment variables of the SuperNode, each a path: the file with the lane's state, the file with the offset of the
clock (`clock`), and the folder of the outbox."""
FRESH_SECONDS = 60.0
"""An answer counts for so long. A SuperNode at work gets one about every twenty seconds."""
_NOTE_SECONDS = 1.0
"""Time between two notes of an answer."""


@dataclass(frozen=True)
class LaneState:
    """The state of a work lane, as it was noted last."""

    answered: float = 0.0
    """When the coordinator last answered, in seconds since 1970; 0 for never."""
    problem: str = ""
    """Why the last call failed; empty when it was answered."""
    status: int = 0
    """The status by which HTTP refused it; 0 when it was answered, or nothing answered."""

    def hears(self, now: float) -> bool:
        """Whether orders can reach the node."""
        return not self.problem and now - self.answered < FRESH_SECONDS


class LaneFile:
    """Writes and reads the state, from any thread; a process that is killed leaves a whole file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._one_writer = threading.Lock()
        self._clock = clock
        self._last = LaneState()

    def answer(self) -> None:
        """The coordinator has answered. Written once a second at most."""
        now = self._clock()
        if self._last.problem or now - self._last.answered >= _NOTE_SECONDS:
            self._write(LaneState(now))

    def fail(self, problem: str, status: int = 0) -> None:
        """The coordinator has not answered, or refused with a status of HTTP."""
        if problem != self._last.problem:
            self._write(LaneState(self._last.answered, problem, status))

    def read(self) -> LaneState:
        """The state as it was noted last; that of a lane that never answered, when nothing was."""
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
            return LaneState(float(values["answered"]), str(values["problem"]), int(values.get("status", 0)))
        except (OSError, ValueError, KeyError, TypeError):
            return LaneState()

    def forget(self) -> None:
        """Remove the state that an earlier SuperNode wrote: it does not hold for the next one."""
        self._path.unlink(missing_ok=True)

    def _write(self, state: LaneState) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with self._one_writer:
            self._last = state
            temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
            temporary.replace(self._path)
