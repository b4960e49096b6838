"""`node pause`, `resume` and `leave`: they reach the node that is meant, and say what it did."""

import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from contributor_client.control import Control, NodeState, State
from ratatouille.errors import Refusal
from ratatouille.processes.locks import locked
from tests.ratatouille.cli.call import call


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path))
    return tmp_path


@contextmanager
def node(home: Path, name: str) -> Iterator[Control]:
    """A node that obeys as `Node` does; it has no work."""
    control, over = Control(home / "nodes" / name), threading.Event()
    control.folder.mkdir(parents=True)

    def obey() -> None:
        state: State = "starting"
        with control.beginning("it runs already"):
            begun.set()
            while not over.wait(0.02) and (given := control.instruction()).wish != "leave":
                state = "paused" if given.wish == "pause" else "working"
                said = "saved at step 7 of 300" if state == "paused" else ""
                control.note(NodeState(name=name, state=state, sentence=said, node=name[0] * 64, followed=given.number))
            control.note(NodeState(name=name, state="leaving", sentence="saved at step 9 of 300", node=name[0] * 64))

    begun = threading.Event()
    thread = threading.Thread(target=obey)
    thread.start()
    assert begun.wait(60)
    try:
        yield control
    finally:
        over.set()
        thread.join()


def test_a_node_is_paused_resumed_and_ended_by_its_owner_without_a_port(home: Path) -> None:
    with node(home, "anna") as anna:
        paused = call("node", "pause")
        assert paused.out == "node anna (key aaaaaaaaaa): paused; saved at step 7 of 300\n"
        assert stat.S_IMODE((anna.folder / "instruction").stat().st_mode) == 0o600
        assert stat.S_IMODE((anna.folder / "state.json").stat().st_mode) == 0o600
        assert call("node", "resume", "anna").out == "node anna (key aaaaaaaaaa): resumed\n"
        assert call("node", "leave", "anna").out == "node anna (key aaaaaaaaaa): has left; saved at step 9 of 300\n"
        assert not anna.running


def test_of_several_nodes_one_must_be_named(home: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(node(home, "anna"))
        stack.enter_context(node(home, "chiara"))
        refused = call("node", "pause")
        assert (refused.code, refused.err) == (2, "error: several nodes run here (anna, chiara); say which one\n")
        assert call("node", "pause", "chiara").code == 0


@pytest.mark.parametrize("words", [(), ("anna",), ("--folder", "elsewhere")])
def test_where_no_node_runs_a_sentence_says_so(home: Path, words: tuple[str, ...]) -> None:
    refused = call("node", "pause", *words)
    assert refused.code == 2
    assert refused.err.startswith("error: no node runs from '")


def test_of_two_instructions_at_once_each_command_reports_what_the_node_did(home: Path) -> None:
    """The node sees the later of two instructions only: it never was paused."""
    control = Control(home / "nodes" / "anna")
    control.folder.mkdir(parents=True)
    with control.beginning("it runs already"), ThreadPoolExecutor(1) as pool:
        control.note(NodeState(name="anna", state="working"))
        pausing = pool.submit(call, "node", "pause")
        while control.instruction() != ("pause", 1):
            assert not pausing.done()
        assert control.instruct("work") == 2
        control.note(NodeState(name="anna", state="working", followed=2))
        assert pausing.result().out == (
            "node anna: resumed; another instruction came at the same time, and the node followed the later one\n"
        )


def test_a_node_that_ended_is_neither_paused_nor_resumed(home: Path) -> None:
    control = Control(home / "nodes" / "gone")
    assert control.wait_until_followed(1) is None
    assert control.wait_until_left() is None, "who leaves has ended"
    control.folder.mkdir(parents=True)
    with control.beginning("it runs already"):
        ending = ThreadPoolExecutor(1).submit(call, "node", "pause")
        while control.instruction().number == 0:
            assert not ending.done()
    refused = ending.result()
    assert (refused.code, "has ended meanwhile" in refused.err) == (2, True)


def test_an_instruction_that_is_given_while_the_node_begins_is_not_lost(home: Path) -> None:
    """The node has its lock, so the command finds it running, and the node has not yet removed what an earlier left."""
    control = Control(home / "nodes" / "anna")
    control.folder.mkdir(parents=True)
    with control.beginning("it runs already"):
        control.instruct("leave")
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        with locked(control.folder / "instruction.lock"):  # the node waits for it, and so do instructions
            begun = pool.submit(stack.enter_context, control.beginning("it runs already"))
            instructed = pool.submit(control.instruct, "pause")
            time.sleep(0.05)
            assert not begun.done()
            assert not instructed.done()
        begun.result()
        try:
            given = instructed.result()
        except Refusal:  # the command was first, when nobody ran
            given = control.instruct("pause")
        assert (given, control.instruction()) == (1, ("pause", 1))
