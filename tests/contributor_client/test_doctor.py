"""What a running node says of itself to `node doctor`: its processes, both lanes, its work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from contributor_client.activity import ActivityFile
from contributor_client.control import Control, NodeState
from contributor_client.doctor import examined, running_checks
from contributor_client.lane_file import LaneFile
from contributor_client.node_processes import ProcessSeen
from contributor_client.parking import Parking
from contributor_client.paths import NodePaths
from contributor_client.running import Running, RunningFile
from ratatouille.checks import StepCheck
from ratatouille.errors import Refusal
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home

NOW = time.time()
WORKING = NodeState(name="anna", state="working", sentence="the node takes work")
BOTH = (ProcessSeen(name="worker", running=True, starts=1), ProcessSeen(name="supernode", running=True, starts=1))


@pytest.fixture
def paths(tmp_path: Path) -> NodePaths:
    made = NodePaths(tmp_path / "node")
    made.lane.parent.mkdir(parents=True)
    return made


def said(paths: NodePaths, running: Running, state: NodeState | None = WORKING) -> dict[str, StepCheck]:
    return {one.step: one for one in running_checks(state, running, paths, NOW)}


def test_a_node_at_work_says_what_lives_when_each_lane_answered_and_what_it_does(paths: NodePaths) -> None:
    LaneFile(paths.lane, lambda: NOW - 7).answer()
    activity = ActivityFile(paths.activity)
    activity.begin("leaves", "soup run 3 of 5", "round")
    activity.progress(120, 300, "training, loss 1.2")
    activity.write()
    found = said(paths, Running(file="node.toml", processes=BOTH, answered=NOW - 3))
    assert {one.state for one in found.values()} == {"good"}
    assert list(found) == ["node", "worker", "supernode", "work lane", "weights lane", "work"]
    assert found["work lane"].cause == "the coordinator answered last 7 s ago"
    assert found["weights lane"].cause == "the registry answered last 3 s ago"
    assert found["work"].cause.startswith("at work: training 120 of 300 (soup run 3 of 5); 0 orders answered")


def test_a_process_that_ended_and_a_lane_that_is_silent_are_said_with_what_to_do(paths: NodePaths) -> None:
    LaneFile(paths.lane, lambda: NOW).fail("certificate verify failed")
    dead = ProcessSeen(name="worker", running=False, starts=4)
    again = ProcessSeen(name="supernode", running=True, starts=2)
    found = said(paths, Running(file="node.toml", processes=(dead, again), answered=NOW - 90))
    assert (found["worker"].state, found["supernode"].state) == ("bad", "warning")
    assert str(paths.logs) in found["worker"].advice
    assert found["work lane"].cause == "the coordinator has not answered yet: certificate verify failed"
    assert (found["weights lane"].state, found["weights lane"].cause) == ("bad", "the registry answered last 90 s ago")
    refused = Running(file="node.toml", processes=BOTH, problem="no registry answers", answered=NOW)
    assert said(paths, refused)["weights lane"].state == "bad"


def test_a_node_that_rests_says_how_it_goes_on_and_one_with_parked_data_says_why(paths: NodePaths) -> None:
    found = said(paths, Running(file="node.toml"), NodeState(name="anna", state="paused"))
    assert (found["node"].state, "node resume" in found["node"].advice) == ("warning", True)
    assert {found["work lane"].state, found["weights lane"].state} == {"unknown"}
    assert "processes" not in found
    assert said(paths, Running(file="node.toml"))["processes"].state == "unknown"
    assert Parking(paths.parked).park(Refusal("gone", code="image-damaged", images=1), "f" * 64) is not None
    parked = said(paths, Running(file="node.toml", processes=BOTH, answered=NOW))["work"]
    assert parked.state == "warning"
    assert "nothing is pending: it waits for an order" in parked.cause
    assert "start the node again" in parked.advice


def test_what_a_node_notes_of_itself_is_read_back_and_anything_else_is_nothing(paths: NodePaths) -> None:
    file = RunningFile(paths.running)
    assert file.read() == Running()
    noted = Running(file="node.toml", remote="grpcs://a.example:8443", processes=BOTH, answered=NOW, device=("fast",))
    file.note(noted)
    assert RunningFile(paths.running).read() == noted
    assert paths.running.stat().st_mode & 0o077 == 0
    paths.running.write_text("{}x")
    assert file.read() == Running()


def test_a_node_that_does_not_run_is_referred_to_the_check(paths: NodePaths, home: Path) -> None:
    with pytest.raises(Refusal, match=r"no node runs from .*`ratatouille node check`"):
        examined(Control(paths.folder))
    call("node", "doctor").refused("no node runs from", "node join")
    call("node", "doctor", "anna").refused("no node runs from", "node check")
