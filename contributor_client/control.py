"""Control of a running node by its owner: an instruction, and the node's state, as two small files of its folder.

`node pause`, `resume` and `leave` write the instruction, which has a number. The node reads it twice a second, obeys,
and notes its state with a sentence and that number. The command waits for it, and so reports what the node did, even if
another instruction came at once. There is no port: only the owner may write into the folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ValidationError

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.processes.locks import is_locked, locked, only_one

Wish = Literal["work", "pause", "leave"]
State = Literal["starting", "working", "paused", "outside hours", "leaving"]
RESTING: tuple[State, ...] = ("paused", "outside hours")
_WAIT_SECONDS = 90.0
"""How long a command waits for the node: a large checkpoint takes its time."""
_LOOK_SECONDS = 0.1


class Instruction(NamedTuple):
    """What the owner wants of the node, and the number of this instruction, 1 for the first since its start."""

    wish: Wish = "work"
    number: int = 0


class NodeState(BaseModel):
    """The state of a node, and what it says about it."""

    name: str
    state: State
    sentence: str = ""
    """What it did last, in words: "the training was saved after step 41 of 300"."""
    node: str = ""
    """Its public key; empty before its first join has made one."""
    followed: int = 0
    """The number of the last instruction that it has followed."""


class Control:
    """The instruction to the node of one folder, and its state."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._instruction, self._state = folder / "instruction", folder / "state.json"
        self._changing = folder / "instruction.lock"

    @property
    def running(self) -> bool:
        """Whether a node runs from this folder."""
        return is_locked(self.folder / "lock")

    @contextmanager
    def beginning(self, taken: str) -> Iterator[None]:
        """Be the node of this folder, which begins without an instruction and without a state.

        Both happen under the lock of instructions, so none that is written to this node is removed.

        Raises:
            Refusal: with the sentence `taken`, when another node runs from this folder.
        """
        with ExitStack() as stack:
            with locked(self._changing, wait=True):
                stack.enter_context(only_one(self.folder / "lock", taken))
                self._instruction.unlink(missing_ok=True)
                self._state.unlink(missing_ok=True)
            yield

    def instruct(self, wish: Wish) -> int:
        """Write what the node is to do; returns the number of the instruction.

        Raises:
            Refusal: when no node runs from this folder.
        """
        if not self.folder.is_dir():
            raise self._nobody()
        with locked(self._changing, wait=True):
            if not self.running:
                raise self._nobody()
            number = self.instruction().number + 1
            write_whole(self._instruction, [f"{number} {wish}".encode()], private=True)
        return number

    def instruction(self) -> Instruction:
        """What the node is to do: to work, while its owner has said nothing."""
        try:
            number, _, said = self._instruction.read_text(encoding="utf-8").partition(" ")
            return Instruction("pause" if said == "pause" else "leave" if said == "leave" else "work", int(number))
        except (OSError, ValueError):
            return Instruction()

    def note(self, state: NodeState) -> None:
        """Write the state."""
        write_whole(self._state, [state.model_dump_json().encode()], private=True)

    def state(self) -> NodeState | None:
        """The state of a node that runs; None when none does, or it has not said anything yet."""
        return self._noted() if self.running else None

    def wait_until_followed(self, number: int, seconds: float = _WAIT_SECONDS) -> NodeState | None:
        """Wait until the node has followed an instruction, or a later one; returns its state then.

        Returns:
            None when the node has ended before it followed.

        Raises:
            Refusal: when that takes too long.
        """
        return self._wait(number, seconds)

    def wait_until_left(self, seconds: float = _WAIT_SECONDS) -> NodeState | None:
        """Wait until the node has ended; returns what it said last, None when it did not say that it leaves.

        Raises:
            Refusal: when that takes too long.
        """
        self._wait(None, seconds)
        found = self._noted()
        return found if found is not None and found.state == "leaving" else None

    def _wait(self, number: int | None, seconds: float) -> NodeState | None:
        until = time.monotonic() + seconds
        while self.running:
            found = self._noted()
            if found is not None and number is not None and found.followed >= number:
                return found
            if time.monotonic() > until:
                raise Refusal(
                    f"the node of '{self.folder}' did not follow within {seconds:.0f} seconds; its logs are in "
                    f"'{self.folder / 'logs'}'"
                )
            time.sleep(_LOOK_SECONDS)
        return None

    def _nobody(self) -> Refusal:
        return Refusal(f"no node runs from '{self.folder}'; `ratatouille node join node.toml` starts one")

    def _noted(self) -> NodeState | None:
        try:
            return NodeState.model_validate_json(self._state.read_bytes())
        except (OSError, ValidationError):
            return None


def running_nodes(home: Path) -> list[Control]:
    """The nodes that run from a home folder, by the names of their folders."""
    found = [Control(lock.parent) for lock in sorted(home.glob("nodes/*/lock"))]
    return [one for one in found if one.running]
