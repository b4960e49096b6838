"""The processes of a node while it works, workers and SuperNode: started together, and ended when it rests or leaves.

Each device has a worker. While the node rests none of them runs, so memory and GPU are free for its owner. A worker
that is ended within a training saves it; the next worker goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from contributor_client.activity import Activity, ActivityFile
from contributor_client.trial import DeviceTrial
from contributor_client.work_lane import WorkLane
from ratatouille.processes import Child, Program, stop_all

END_SECONDS = 70.0
"""How long a worker may take to save a training; more than it takes itself before it gives up."""


class ProcessSeen(BaseModel):
    """A process of a node, as it was seen last."""

    model_config = ConfigDict(frozen=True)

    name: str
    running: bool
    """False when it has ended, and is to be started again."""
    starts: int
    """How often it was started."""


class WorkerProcess:
    """One worker: its program, the trial of its device, and the file that says what it does."""

    def __init__(self, program: Program, trial: DeviceTrial, activity: ActivityFile) -> None:
        """`trial` is what the device is to do before the first work."""
        self.program, self._activity = program, activity
        self.trial: DeviceTrial | None = trial
        self.child: Child | None = None

    def start(self) -> None:
        """Start the process, with the trial if that was not done yet."""
        if self.trial is not None:
            self.trial.ask()
        self.child = Child(self.program).start()

    def sentences(self, unwanted: Callable[[], bool]) -> list[str]:
        """Wait for the trial, unless it was done or is `unwanted` meanwhile: a sentence about each kind of work.

        Raises:
            Refusal: when the device cannot do the work.
        """
        if self.trial is None or self.child is None:
            return []
        found = self.trial.sentences(self.child, unwanted)
        if found is not None:
            self.trial = None
        return found or []

    def activity(self) -> Activity:
        """What the worker does."""
        return self._activity.read()

    def became(self, before: Activity, goes_on: str) -> str:
        """What became of the work that was under way `before` the worker was ended; empty when none was."""
        now = self._activity.read()
        if now.saved is not None:
            return f"saved at step {now.saved} of {now.total} ({now.label or now.task}); {goes_on} goes on there"
        if before.task and now.task:
            return f"{now.label or now.task} was not done ({now.phase or 'starting'}); it begins again next time"
        return ""


class NodeProcesses:
    """Workers and work lane of a node; they can be started and stopped any number of times."""

    def __init__(self, workers: Sequence[WorkerProcess], lane: WorkLane) -> None:
        """Nothing is started yet."""
        self.workers, self.lane = workers, lane
        self.tried: tuple[str, ...] = ()
        """What the trials of the devices said."""

    @property
    def seen(self) -> tuple[ProcessSeen, ...]:
        """The processes; none while the node rests."""
        workers = [one.child for one in self.workers if one.child is not None]
        children = [*workers, *self.lane.children] if workers else []
        return tuple(ProcessSeen(name=one.program.name, running=one.running, starts=one.starts) for one in children)

    def start(self, unwanted: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Start the processes; the first time wait for the trials, unless they are `unwanted` meanwhile.

        Raises:
            Refusal: when a device cannot do the work.
        """
        for worker in self.workers:
            worker.start()
        self.lane.start()  # it takes seconds, as the trial does; no order comes before the node has offered its data
        said = [sentence for worker in self.workers for sentence in worker.sentences(unwanted)]
        for sentence in dict.fromkeys(said):
            say(sentence)
        self.tried = tuple(dict.fromkeys(said)) or self.tried

    def stop(self, goes_on: str) -> str:
        """End the processes; returns what became of the work, in words, empty when none was under way.

        `goes_on` is who or what goes on with a training that was saved.
        """
        running = [(worker, worker.child, worker.activity()) for worker in self.workers if worker.child is not None]
        if not running:
            return ""
        stop_all([*(child for _, child, _ in running), *self.lane.children])
        for worker, _, _ in running:
            worker.child = None
        return "; ".join(filter(None, (worker.became(before, goes_on) for worker, _, before in running)))
