"""The work lane with everything real: a SuperLink, three nodes with our executor, workers as processes of their own.

The SuperLink and one of the nodes begin with the minor release of Flower before the pinned one. `make test` puts it
into `.venv-previous`; on PYTHONPATH it comes before the installed one.
"""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from contributor_client.paths import NodePaths
from contributor_client.work_lane import SuperNode, SuperNodeSettings
from coordinator.control import Control
from coordinator.environment import round_log
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import UPGRADE, Refusal, Unreachable
from ratatouille.exchange.bundle import archive, bundle_hash
from ratatouille.exchange.signing import Signer
from ratatouille.processes import Child, Program, free_port
from ratatouille.processes.reaper import descendants
from ratatouille.processes.secret import Secret
from ratatouille.record import sha256

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PREVIOUS = ROOT / ".venv-previous"
PROBE = archive({file.name: file.read_bytes() for file in (HERE / "probe_bundle").iterdir() if file.is_file()})


def until(condition: Callable[[], Any], seconds: float = 90) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def commands_with(text: str) -> list[str]:
    """Command lines of living processes that hold a text."""
    listing = subprocess.run(
        ["ps", "-ww", "-e", "-o", "pid=", "-o", "stat=", "-o", "args="], capture_output=True, text=True
    ).stdout
    return [line for line in listing.splitlines() if text in line and " Z" not in line[:14]]


@dataclass
class Lane:
    """A federation of three nodes: `strict` accepts only what its owner installed, the others the probe's bundle.

    `old` has the previous Flower, and so has the SuperLink until it is upgraded; it has two workers.
    """

    folder: Path
    superlink: SuperLink
    nodes: dict[str, SuperNode]
    workers: dict[str, Child]
    patch: pytest.MonkeyPatch

    def upgrade(self) -> None:
        """Stop the coordinator, and start it in the same folder and at the same port with the installed Flower."""
        self.superlink.stop()
        self.patch.setenv("PYTHONPATH", str(ROOT))
        self.superlink = SuperLink(self.superlink.settings).start()

    @property
    def control(self) -> Control:
        return self.superlink.control

    def key(self, name: str) -> str:
        return Signer.open(self.nodes[name].settings.node_key).node

    def submit(self, name: str, *orders: dict[str, Any], to: str = "open", patience: float = 90) -> int:
        settings = {"results": str(self.folder / f"{name}.json"), "key": self.key(to), "orders": orders}
        return self.control.submit(name, json.dumps({**settings, "patience": patience}), bundle=PROBE)

    def results(self, name: str, run: int) -> dict[str, Any]:
        assert until(lambda: self.control.status(run) not in ("pending", "running"), 120)
        assert self.control.status(run) == "completed", self.control.failure(run)
        seen: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text())
        return seen


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    if not PREVIOUS.exists():
        pytest.fail(f"'{PREVIOUS}' is not there: it holds the previous Flower; run `make test`, which makes it")
    folder = tmp_path_factory.mktemp("lane")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACE_OF_HOSTILE_CODE", str(folder / "trace"))
        nodes, workers = {}, {}
        patch.setenv("PYTHONPATH", f"{PREVIOUS}{os.pathsep}{ROOT}")
        superlink = SuperLink(
            SuperLinkSettings(folder / "coordinator", free_port(), accepted_bundles=(bundle_hash(), sha256(PROBE)))
        )
        for name, accepted in (("old", (sha256(PROBE),)), ("open", (sha256(PROBE),)), ("strict", ())):
            home = folder / name
            paths = NodePaths(home).of_workers(2 if name == "old" else 1)
            settings = SuperNodeSettings(
                home, superlink.settings.address, paths[0].key, paths[0].socket, None, accepted, workers=len(paths)
            )
            nodes[name] = SuperNode(settings)
            patch.setenv("PYTHONPATH", str(ROOT))  # for all but the first
            for one in paths:
                command = (sys.executable, str(HERE / "echo_worker.py"), str(one.socket))
                workers[f"{name} {one.worker}"] = Child(Program("worker", command, one.worker_log, restart=True))
        parts: list[SuperNode | Child] = [*nodes.values(), *workers.values()]
        lane = Lane(folder, superlink, nodes, workers, patch)
        try:
            superlink.start()
            for part in parts:
                part.start()
            assert until(lambda: sum(node.online for node in superlink.control.nodes()) == 3)
            yield lane
        finally:
            for part in parts:
                part.stop()
            lane.superlink.stop()
    assert commands_with(str(folder)) == []


def test_the_previous_flower_is_the_minor_release_before_the_installed_one() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import flwr.supercore.version as found; print(found.__file__, found.package_version)",
        ],
        env={**os.environ, "PYTHONPATH": str(PREVIOUS)},
        capture_output=True,
        text=True,
        check=True,
    )
    file, version = found.stdout.split()
    assert Path(file).is_relative_to(PREVIOUS)
    major, minor, _ = importlib.metadata.version("flwr").split(".")
    assert version.startswith(f"{major}.{int(minor) - 1}."), "PREVIOUS_FLOWER in the Makefile"


def test_a_coordinator_with_the_previous_flower_gets_answers_of_nodes_with_this_one(lane: Lane) -> None:
    seen = lane.results("early", lane.submit("early", {"number": 0}))
    assert [reply["body"]["order"] for reply in seen["replies"]] == [{"number": 0}]


def test_a_coordinator_that_is_upgraded_in_its_folder_gets_answers_of_nodes_with_the_previous_flower(
    lane: Lane,
) -> None:
    before = {node.id for node in lane.control.nodes()}
    lane.upgrade()
    assert {node.id for node in lane.control.nodes()} == before
    seen = lane.results("upgraded", lane.submit("upgraded", {"number": 1}, to="old"))
    assert [reply["body"]["order"] for reply in seen["replies"]] == [{"number": 1}]


def test_a_node_with_two_workers_works_on_two_orders_at_a_time(lane: Lane) -> None:
    """Each of two orders ends only while the other one is at work."""
    one, other = str(lane.folder / "one"), str(lane.folder / "other")
    seen = lane.results("pair", lane.submit("pair", {"meet": [one, other]}, {"meet": [other, one]}, {}, to="old"))
    bodies = [reply["body"] for reply in seen["replies"]]
    assert len(bodies) == 3
    assert all(bodies)
    assert len({body["worker"] for body in bodies}) == 2


def test_orders_go_round_to_a_node_known_by_its_key_whatever_happens_to_one_of_them(lane: Lane) -> None:
    orders: list[dict[str, Any]] = [{"number": number, "seconds": 0.3} for number in range(6)]
    orders[3]["fail"] = True
    orders[4]["die once"] = str(lane.folder / "died")
    seen = lane.results("orders", lane.submit("orders", *orders))
    assert lane.key("open") in seen["nodes"].values()
    assert lane.key("strict") not in seen["nodes"].values()
    assert seen["replies"][3] == {"body": None, "failure": "unexpected", "lost": False}
    replies = [reply["body"] for reply in seen["replies"] if reply["body"]]
    assert [reply["order"]["number"] for reply in replies] == [0, 1, 2, 4, 5]
    # Order 4 killed its worker; the next worker got it again, and the round noticed nothing.
    workers = [reply["worker"] for reply in replies]
    assert workers[0] == workers[1] == workers[2] != workers[3] == workers[4]


def test_a_foreign_bundle_is_refused_with_the_reason_and_nobody_runs_its_client_code(lane: Lane) -> None:
    # The run before was of the probe's bundle, which brings a ClientApp of its own; both nodes were asked.
    refusal = f"this run is another; upgrade the older side with '{UPGRADE}' [foreign-bundle]"
    assert refusal in round_log(lane.superlink.settings.logs, "orders").read_text()
    assert not (lane.folder / "trace").exists()


def test_whoever_does_not_know_the_secret_gets_no_task_from_a_node(lane: Lane) -> None:
    command = lane.nodes["open"].child.program.command
    port = command[command.index("--port") + 1]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/runtime/acquire-task", b"", method="POST")
    request.add_header("content-type", "application/protobuf")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code in (401, 403)
    caught.value.close()


def test_no_process_of_the_lane_has_loaded_torch(lane: Lane) -> None:
    running = commands_with(str(lane.folder))
    assert sum("-m contributor_client.flower_supernode" in line and "reaper.py" not in line for line in running) == 3
    assert not any("torch" in Path(f"/proc/{line.split()[0]}/maps").read_text() for line in running)


def test_a_run_that_nobody_knows_is_unknown(lane: Lane) -> None:
    assert lane.control.status(7) == "unknown"
    assert lane.control.failure(7) == ""
    assert not lane.control.stop(7)


def test_our_own_bundle_starts_the_installed_coordinator_and_its_failure_has_a_reason(lane: Lane) -> None:
    run = lane.control.submit("", "")
    assert until(lambda: lane.control.status(run) == "failed")
    assert "this run names no round or no registry" in lane.control.failure(run)


def test_a_second_superlink_is_told_that_the_port_is_taken(lane: Lane, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="is taken, and the SuperLink needs it"):
        SuperLink(SuperLinkSettings(tmp_path, lane.superlink.settings.port)).start()


def test_without_a_superlink_control_says_so(tmp_path: Path) -> None:
    control = Control(f"127.0.0.1:{free_port()}", Secret.open(tmp_path / "secret"))
    with pytest.raises(Unreachable, match="is the coordinator up"):
        control.status(7)
    control.close()


def test_after_a_killed_superlink_the_old_run_is_over_and_a_new_one_finds_the_nodes(lane: Lane) -> None:
    interrupted = lane.submit("interrupted", {"seconds": 2.0}, {"seconds": 2.0})
    assert until(lambda: lane.control.status(interrupted) == "running")
    superlinks = [line for line in commands_with(str(lane.folder)) if "-m coordinator.flower_superlink" in line]
    process = next(line for line in superlinks if "reaper.py" not in line)
    os.kill(int(process.split()[0]), signal.SIGKILL)
    assert until(lambda: _status_or_gone(lane.control, interrupted) == "stopped")
    seen = lane.results("again", lane.submit("again", {"number": 1}))
    assert [reply["body"]["order"] for reply in seen["replies"]] == [{"number": 1}]


def test_after_a_killed_executor_its_run_is_over_at_once_and_the_next_executor_starts_new_ones(lane: Lane) -> None:
    interrupted = lane.submit("orphaned", {"seconds": 10.0})
    assert until(lambda: lane.control.status(interrupted) == "running")
    executors = [line for line in commands_with(str(lane.folder)) if "-m coordinator.executor" in line]
    ids = {int(line.split()[0]) for line in executors if "reaper.py" not in line}
    (process,) = (id for id in ids if psutil.Process(id).ppid() not in ids)  # the others are its ServerApps
    os.kill(process, signal.SIGKILL)
    # Flower would wait for a sign of life of the server process for a minute.
    assert until(lambda: _status_or_gone(lane.control, interrupted) == "stopped", 40)
    seen = lane.results("after", lane.submit("after", {"number": 2}))
    assert [reply["body"]["order"] for reply in seen["replies"]] == [{"number": 2}]


def test_after_a_killed_serverapp_its_run_ends_with_the_reason(lane: Lane) -> None:
    interrupted = lane.submit("killed", {"seconds": 10.0})
    assert until(lambda: lane.control.status(interrupted) == "running")
    executors = [line for line in commands_with(str(lane.folder)) if "-m coordinator.executor" in line]
    ids = {int(line.split()[0]) for line in executors if "reaper.py" not in line}
    (process,) = (id for id in ids if psutil.Process(id).ppid() in ids)
    os.kill(process, signal.SIGKILL)
    assert until(lambda: lane.control.status(interrupted) == "failed")
    # Flower itself would say after a minute that no heartbeat came.
    assert lane.control.failure(interrupted) == "the server process was ended by signal 9"


def test_a_supernode_whose_loop_ended_by_an_error_is_started_again(lane: Lane) -> None:
    child, note = lane.nodes["strict"].child, lane.nodes["strict"].settings.lane
    before = child.starts
    note.unlink()
    note.mkdir()  # the next note of an answer is an error in the midst of Flower's loop
    assert until(lambda: child.starts > before)
    note.rmdir()
    assert until(lambda: note.is_file())


def _status_or_gone(control: Control, run: int) -> str:
    try:
        return control.status(run)
    except Unreachable:
        return "gone"


def test_kill_minus_nine_of_the_coordinator_leaves_neither_superlink_nor_serverapp(tmp_path: Path) -> None:
    settings = json.dumps({"results": "-", "key": "-", "orders": [], "patience": 600})
    owner_program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from coordinator.superlink import SuperLink, SuperLinkSettings
        from tests_probe import PROBE
        accepted = ({sha256(PROBE)!r},)
        settings = SuperLinkSettings(Path({str(tmp_path)!r}), {free_port()}, accepted_bundles=accepted)
        link = SuperLink(settings).start()
        run = link.control.submit("orphan", {settings!r}, bundle=PROBE)
        while link.control.status(run) != "running":
            time.sleep(0.1)
        Path({str(tmp_path / "ready")!r}).touch()
        time.sleep(600)
    """)
    (tmp_path / "tests_probe.py").write_text(f"PROBE = {PROBE!r}")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    owner = subprocess.Popen([sys.executable, "-c", owner_program], env=environment)
    try:
        assert until((tmp_path / "ready").exists)
        family = descendants(owner.pid)
        names = [Path(f"/proc/{pid}/cmdline").read_text() for pid in family]
        names = [name.replace("\0", " ") for name in names if "reaper.py" not in name]
    finally:
        owner.kill()
        owner.wait()
    assert sum("-m coordinator.flower_superlink" in name for name in names) == 1
    assert sum("-m coordinator.executor" in name for name in names) == 2, "the executor, and the run's ServerApp"
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
