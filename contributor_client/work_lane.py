"""A node's work lane as its owner sees it: where orders come from, whether that answers, and sentences about it.

The SuperNode asks the coordinator for messages every few seconds and sends a sign of life every twenty; its client
notes each answer and each failure in a small file. The node reads the file to say whether orders can reach it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from contributor_client.supernode import SuperNode, SuperNodeSettings

FRESH_SECONDS = 60.0
"""An answer counts for so long: at work there is one about every twenty seconds."""
_NOTE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
"""A lane that does not answer for so long is called deaf."""
_AGAIN_SECONDS = 60.0


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


class WorkLane:
    """The SuperNode of a node, wherever the coordinator is at the moment; a context manager."""

    def __init__(
        self,
        settings: SuperNodeSettings,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        make: Callable[[SuperNodeSettings], SuperNode] = SuperNode,
    ) -> None:
        """`say` is called with each sentence for the owner; `make` makes the SuperNode's processes."""
        self._settings = settings
        self._say = say
        self._clock = clock
        self._make = make
        self._supernode: SuperNode | None = None
        self._file = LaneFile(settings.lane)
        self._deaf_since: float | None = None
        self._said: float | None = None
        """When it was last said that the lane is deaf; None when the owner knows of nothing."""

    def look(self, fleet: str | None) -> bool:
        """Whether orders can reach the node now; call it every few seconds.

        Args:
            fleet: where the registry says that the fleet is; None when it does not say.
        """
        if fleet is not None and fleet != self._settings.superlink:
            self._say(f"the coordinator hands out its orders at {fleet} now, before it was {self._settings.superlink}")
            self._settings = replace(self._settings, superlink=fleet)
            self.stop()
            self.start()
        state, now = self._file.read(), self._clock()
        if state.hears(time.time()):
            if self._said is not None:
                self._say("the work lane answers again: orders reach this node")
            self._deaf_since = self._said = None
            return True
        self._deaf_since = now if self._deaf_since is None else self._deaf_since
        due = self._deaf_since + PATIENCE_SECONDS if self._said is None else self._said + _AGAIN_SECONDS
        if now >= due:
            self._said = now
            reason = state.problem or "nothing was heard of it yet"
            self._say(
                f"the work lane is deaf: orders would come from {self._settings.superlink} (Flower's SuperLink), and "
                f"{reason}; the registry's lane answers, and the node keeps trying"
            )
        return False

    def start(self) -> None:
        """Start the processes."""
        self._settings.lane.parent.mkdir(parents=True, exist_ok=True)
        self._file.forget()
        self._supernode = self._make(self._settings)
        self._supernode.start()

    def stop(self) -> None:
        """End the processes."""
        if self._supernode is not None:
            self._supernode.stop()

    def __enter__(self) -> WorkLane:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
