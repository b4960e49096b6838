"""The processes of a node while it works, worker and SuperNode: started together, and ended when it rests or leaves.

While the node rests none of them runs, so memory and GPU are free for its owner. A worker that is ended within a
training saves it; the next worker goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable

from contributor_client.activity import ActivityFile
from contributor_client.trial import DeviceTrial
from contributor_client.work_lane import WorkLane
from ratatouille.processes import Child, Program, stop_all

END_SECONDS = 70.0
"""How long a worker may take to save a training; more than it takes itself before it gives up."""


class NodeProcesses:
    """Worker and work lane of a node; they can be started and stopped any number of times."""

    def __init__(self, worker: Program, lane: WorkLane, trial: DeviceTrial, activity: ActivityFile) -> None:
        """`trial` is what the device is to do before the first work."""
        self.lane = lane
        self._program, self._activity = worker, activity
        self._trial: DeviceTrial | None = trial
        self._worker: Child | None = None

    def start(self, unwanted: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Start the processes; the first time wait for the trial of the device, unless they are `unwanted` meanwhile.

        Raises:
            Refusal: when the device cannot do the work.
        """
        if self._trial is not None:
            self._trial.ask()
        self._worker = Child(self._program).start()
        self.lane.start()  # it takes seconds, as the trial does; no order comes before the node has offered its data
        if self._trial is not None:
            sentences = self._trial.sentences(self._worker, unwanted)
            if sentences is not None:
                self._trial = None
            for sentence in sentences or ():
                say(sentence)

    def stop(self, goes_on: str) -> str:
        """End the processes; returns what became of the work, in words, empty when none was under way.

        `goes_on` is who or what goes on with a training that was saved.
        """
        if self._worker is None:
            return ""
        before = self._activity.read()
        stop_all([self._worker, *self.lane.children])
        self._worker = None
        now = self._activity.read()
        if now.saved is not None:
            return f"saved at step {now.saved} of {now.total} ({now.label or now.task}); {goes_on} goes on there"
        if before.task and now.task:
            return f"{now.label or now.task} was not done ({now.phase or 'starting'}); it begins again next time"
        return ""
