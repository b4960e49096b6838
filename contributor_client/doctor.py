"""The examination of a running node (`node doctor`): what it says of itself, then all that `node check` checks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from contributor_client.activity import Activity, ActivityFile, together
from contributor_client.control import RESTING, Control, NodeState
from contributor_client.lane_file import LaneFile, LaneState
from contributor_client.node_checks import SECONDS, NodeChecks, check_node
from contributor_client.node_processes import ProcessSeen
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from contributor_client.running import Running, RunningFile
from contributor_client.subject import made_subject
from ratatouille.checks import StepCheck, bad, good, unknown
from ratatouille.errors import Refusal
from ratatouille.tasks.node import read_node_settings
from ratatouille.wording import number_of

_LATE_SECONDS = 30.0
"""At work the registry takes an offer about every five seconds, and the coordinator answers about every twenty."""


def examined(control: Control, seconds: float = SECONDS) -> NodeChecks:
    """Check a running node, and everything that it needs.

    Args:
        control: the node's.
        seconds: how long it may take, since the start of this process.

    Raises:
        Refusal: for a node that does not run, or has not begun yet.
    """
    folder = control.folder
    if not control.running:
        raise Refusal(
            f"no node runs from '{folder}'; `ratatouille node check` checks what stands in its way, and "
            "`ratatouille node join` starts it"
        )
    paths = NodePaths(folder)
    running = RunningFile(paths.running).read()
    if not running.file:
        raise Refusal(f"the node of '{folder}' has just begun, and says nothing of itself yet; try again in a moment")
    subject = made_subject(running.remote, read_node_settings(Path(running.file)), Path(running.file), folder=folder)
    device = good("device", "; ".join(running.device)) if running.device else None
    first = tuple(running_checks(control.state(), running, paths, time.time()))
    return check_node(subject, seconds, first, device or unknown("device", "its trial at the start is not over yet"))


def running_checks(state: NodeState | None, running: Running, paths: NodePaths, now: float) -> Iterator[StepCheck]:
    """What a running node says of itself.

    Args:
        state: its state; None where it has not said any.
        running: what it has noted.
        paths: where its files are.
        now: seconds since 1970.
    """
    workers = sum(one.name.startswith("worker") for one in running.processes)
    rests = state is not None and state.state in RESTING
    yield _of_state(state)
    if not rests and not running.processes:
        yield unknown("processes", "none was started yet")
    for one in running.processes:
        yield _of_process(one, paths.logs)
    lanes = (
        ("work lane", "the coordinator", LaneFile(paths.lane).read()),
        ("weights lane", "the registry", LaneState(running.answered, running.problem)),
    )
    for step, who, lane in lanes:
        yield unknown(step, "the node rests, so nothing is asked") if rests else _of_lane(step, who, lane, now)
    activity = together([ActivityFile(one.activity).read() for one in paths.of_workers(max(1, workers))])
    yield _of_work(activity, Parking(paths.parked), now)


def _of_state(state: NodeState | None) -> StepCheck:
    if state is None:
        return unknown("node", "it lives, and has not said what it does")
    said = f"it lives; its state is: {state.state}" + (f" ({state.sentence})" if state.sentence else "")
    if state.state == "paused":
        return StepCheck(step="node", state="warning", cause=said, advice="`ratatouille node resume` lets it work")
    return good("node", said)


def _of_process(one: ProcessSeen, logs: Path) -> StepCheck:
    if not one.running:
        cause = f"it has ended, and is started again ({number_of(one.starts, 'start')} so far)"
        return bad(one.name, cause, f"its log in '{logs}' says why")
    if one.starts > 1:
        cause = f"it lives, after {number_of(one.starts, 'start')}"
        return StepCheck(step=one.name, state="warning", cause=cause, advice=f"its log in '{logs}' says why")
    return good(one.name, "it lives")


def _of_lane(step: str, who: str, lane: LaneState, now: float) -> StepCheck:
    last = f"{who} answered last {now - lane.answered:.0f} s ago" if lane.answered else f"{who} has not answered yet"
    if lane.problem:
        return bad(step, f"{last}: {lane.problem}", "mend what the checks below say; the node keeps trying")
    if not lane.answered:
        return unknown(step, last)
    if now - lane.answered > _LATE_SECONDS:
        return bad(step, last, "mend what the checks below say; the node keeps trying")
    return good(step, last)


def _of_work(activity: Activity, parking: Parking, now: float) -> StepCheck:
    """What is at work, what waits, and what is parked."""
    if activity.task:
        steps = f" {activity.done} of {activity.total}" if activity.total else ""
        said = f"at work: {activity.phase or 'starting'}{steps} ({activity.label or activity.task})"
    elif activity.saved is not None:
        said = f"a training was saved after step {activity.saved} of {activity.total}, and goes on there"
    else:
        said = "nothing is pending: it waits for an order"
    said += f"; {number_of(activity.answered, 'order')} answered since its start"
    if parked := parking.active():
        cause = f"{said}; parked: {parked[0].sentence}"
        minutes = max(1.0, (parked[0].until - now) / 60)
        advice = f"mend it, and start the node again, or wait for {minutes:.0f} min"
        return StepCheck(step="work", state="warning", cause=cause, advice=advice)
    if activity.problem:
        return StepCheck(step="work", state="warning", cause=f"{said}; its last problem: {activity.problem}")
    return good("work", said)
