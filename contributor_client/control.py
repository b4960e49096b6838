"""Control of a running node by its owner: an instruction, and the node's state, as two small files of its folder.

`node pause`, `resume` and `leave` write the instruction. The node reads it twice a second, obeys, and notes its state
with a sentence, for which the command waits. There is no port: only the owner may write into the folder.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.processes.locks import is_locked

Instruction = Literal["work", "pause", "leave"]
State = Literal["starting", "working", "paused", "outside hours", "leaving"]
RESTING: tuple[State, ...] = ("paused", "outside hours")
_WAIT_SECONDS = 90.0
"""How long a command waits for the node: a large checkpoint takes its time."""
_LOOK_SECONDS = 0.1


class NodeState(BaseModel):
    """The state of a node, and what it says about it."""

    name: str
    state: State
    sentence: str = ""
    """What it did last, in words: "the training was saved after step 41 of 300"."""
    node: str = ""
    """Its public key; empty before its first join has made one."""


class Control:
    """The instruction to the node of one folder, and its state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._instruction, self._state = folder / "instruction", folder / "state.json"

    @property
    def running(self) -> bool:
        """Whether a node runs from this folder."""
        return is_locked(self.folder / "lock")

    def instruct(self, instruction: Instruction) -> None:
        """Write what the node is to do."""
        write_whole(self._instruction, [instruction.encode()], private=True)

    def instruction(self) -> Instruction:
        """What the node is to do; `work` while its owner has said nothing."""
        try:
            said = self._instruction.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return "work"
        return "pause" if said == "pause" else "leave" if said == "leave" else "work"

    def note(self, state: NodeState) -> None:
        """Write the state."""
        write_whole(self._state, [state.model_dump_json().encode()], private=True)

    def state(self) -> NodeState | None:
        """The state of a node that runs; None when none does, or it has not said anything yet."""
        return self._noted() if self.running else None

    def clear(self) -> None:
        """Remove both files, as when the node is started."""
        self._instruction.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def wait_for(self, *states: State, seconds: float = _WAIT_SECONDS) -> str:
        """Wait until the node is in one of these states, or has left; returns its sentence.

        Raises:
            Refusal: when that takes too long, or the node has ended before it was in one of the states.
        """
        until = time.monotonic() + seconds
        while self.running:
            found = self._noted()
            if found is not None and found.state in states:
                return found.sentence
            if time.monotonic() > until:
                raise Refusal(
                    f"the node of '{self.folder}' did not follow within {seconds:.0f} seconds; its logs are in "
                    f"'{self.folder / 'logs'}'"
                )
            time.sleep(_LOOK_SECONDS)
        if states:
            raise Refusal(f"the node of '{self.folder}' has ended meanwhile; its logs are in '{self.folder / 'logs'}'")
        found = self._noted()
        return found.sentence if found is not None and found.state == "leaving" else ""

    def _noted(self) -> NodeState | None:
        try:
            return NodeState.model_validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None


def running_nodes(home: Path) -> list[Control]:
    """The nodes that run from a home folder, by the names of their folders."""
    found = [Control(lock.parent) for lock in sorted(home.glob("nodes/*/lock"))]
    return [one for one in found if one.running]
