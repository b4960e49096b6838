"""The activity of a node: what its worker does now, and what it has done since the node was started.

The worker writes it to a small file. The process that a person started reads the file and shows it; nothing of it
leaves the machine. Only the owner can read the file, since the last problem may name files.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_WRITE_SECONDS = 0.5
"""Between two writes while the work goes on."""
_LEAST_SECONDS = 2.0
"""Time over which steps are counted before the time left is said."""
_LONGEST_PROBLEM = 2000
_MOST_ROUNDS = 20


class Activity(BaseModel):
    """What a worker does, and has done."""

    model_config = ConfigDict(frozen=True)

    task: str = ""
    """Name of the task at work; empty while the worker waits for an order."""
    label: str = ""
    """What the work is for: "soup run 3 of 5"."""
    doing: str = ""
    done: int = 0
    total: int = 0
    """Steps done and steps in all; 0 of 0 where work has no steps."""
    since: float = 0.0
    since_done: int = 0
    """When the first step of what it does now was seen, in seconds since 1970, and which step that was."""
    answered: int = 0
    """How many orders were answered."""
    sent: int = 0
    received: int = 0
    """Bytes of weights."""
    rounds: tuple[str, ...] = ()
    """Ids of the rounds that it worked for, the latest last."""
    problem: str = ""
    """Why the last order that failed was not done."""
    saved: int | None = None
    """The step after which the training was saved, if the worker ended within one and was not started again since."""

    @property
    def phase(self) -> str:
        """What it does, without numbers."""
        return self.doing.partition(",")[0]

    def seconds_left(self, now: float) -> float | None:
        """How much longer the present phase takes at its speed so far; None while that is not known."""
        steps, seconds = self.done - self.since_done, now - self.since
        if steps < 1 or seconds < _LEAST_SECONDS or not self.total:
            return None
        return seconds / steps * max(0, self.total - self.done)


def together(workers: Sequence[Activity]) -> Activity:
    """What the workers of one node do, as one: steps of those at work are added up."""
    at_work = [one for one in workers if one.task]
    first = at_work[0] if at_work else Activity()
    doing = first.doing if len({one.phase for one in at_work}) < 2 else "working"
    return Activity(
        task=first.task,
        label=", ".join(one.label for one in at_work if one.label),
        doing=doing if len(at_work) < 2 else doing.partition(",")[0],
        done=sum(one.done for one in at_work),
        total=sum(one.total for one in at_work),
        since=min((one.since for one in at_work), default=0.0),
        since_done=sum(one.since_done for one in at_work),
        answered=sum(one.answered for one in workers),
        sent=sum(one.sent for one in workers),
        received=sum(one.received for one in workers),
        rounds=tuple(dict.fromkeys(round for one in workers for round in one.rounds)),
        problem=next((one.problem for one in workers if one.problem), ""),
    )


class ActivityFile:
    """Writes and reads the activity; a worker that is killed leaves a whole file."""

    def __init__(
        self,
        path: Path,
        traffic: Callable[[], tuple[int, int]] = lambda: (0, 0),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`traffic` says how many bytes this process has sent and received."""
        self._path, self._traffic, self._clock = path, traffic, clock
        self._changing = threading.Lock()
        self._written = self.read()
        self._last = self._written.model_copy(update={"task": "", "label": "", "saved": None, **_NOTHING})
        self._earlier = (self._last.sent, self._last.received)
        """What earlier processes of the node have sent and received."""

    def begin(self, task: str, label: str, round: str) -> None:
        """Note that work on an order begins."""
        rounds = (*(one for one in self._last.rounds if one != round), round)[-_MOST_ROUNDS:]
        self._note(task=task, label=label, rounds=rounds, saved=None, **_NOTHING)

    def progress(self, done: int, total: int, doing: str) -> None:
        """Note how far the order is; nothing once the training was saved, since a step that still runs is lost."""
        with self._changing:
            last, values = self._last, {"done": done, "total": total, "doing": doing}
            if last.saved is not None:
                return
            if doing.partition(",")[0] != last.phase or done < last.done:
                values |= {"since": self._clock(), "since_done": done}
            self._last = last.model_copy(update=values)

    def end(self, answered: bool) -> None:
        """Note that the work on an order is over."""
        self._note(task="", label="", answered=self._last.answered + answered, **_NOTHING)

    def note_problem(self, problem: str) -> None:
        """Note why an order was not done."""
        self._note(problem=problem[:_LONGEST_PROBLEM])

    def note_saved(self, step: int) -> None:
        """Note that the training was saved after this step, since the process ends."""
        self._note(saved=step, done=step)

    def write(self) -> None:
        """Write what is new; on a full disk the file stays as it is."""
        sent, received = self._traffic()
        self._note(sent=self._earlier[0] + sent, received=self._earlier[1] + received)
        with self._changing, suppress(OSError):
            if self._last == self._written:
                return
            temporary = self._path.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(self._last.model_dump_json())
            temporary.replace(self._path)
            self._written = self._last

    def write_until(self, stop: threading.Event) -> None:
        """Write what is new every half second."""
        while not stop.wait(_WRITE_SECONDS):
            self.write()

    def read(self) -> Activity:
        """The activity as it was written last; an empty one where there is none."""
        try:
            return Activity.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return Activity()

    def forget(self) -> None:
        """Remove the file, as when the node is started."""
        self._path.unlink(missing_ok=True)

    def _note(self, **values: object) -> None:
        with self._changing:
            self._last = self._last.model_copy(update=values)


_NOTHING = {"doing": "", "done": 0, "total": 0, "since": 0.0, "since_done": 0}
