"""A node from its start to its end, in one process: before it joins and outside of its hours it starts no others."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import tomli_w

from contributor_client.activity import Activity
from contributor_client.control import Control, State
from contributor_client.node import Node
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.node import read_node_settings
from registry.services.local import LocalRegistry
from tests.contributor_client.pantry import Pantry


def node_file(pantry: Pantry, folder: Path, **more: object) -> Path:
    """The settings of a node with the pantry's images."""
    table = {"task": pantry.setup.task.name, "path": str(pantry.images), "group": "stem"}
    file = folder / "node.toml"
    file.write_text(tomli_w.dumps({"name": "anna", "device": "cpu", "data": [table], **more}))
    return file


def test_the_first_join_says_that_it_makes_a_new_member_and_later_ones_do_not(pantry: Pantry, tmp_path: Path) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        registry.work.announce(Signer.open(tmp_path / "coordinator").seal(Announcement(fleet="127.0.0.1:9")))
    begin = datetime.now() + timedelta(hours=2)
    hours = f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"
    file = node_file(pantry, tmp_path, hours=hours)
    for new in (True, False):
        stop, said, states = threading.Event(), list[str](), list[State]()

        def show(state: State, _: Activity, stop: threading.Event = stop, states: list[State] = states) -> None:
            states.append(state)
            stop.set()

        Node(read_node_settings(file), file, tmp_path / "node", str(tmp_path / "registry")).run(
            stop, said.append, show=show
        )
        assert states == ["outside hours"]
        assert any(f"({hours}): no work until {begin:%H:%M}" in sentence for sentence in said)
        assert any("this node becomes a new member" in sentence for sentence in said) is new


def test_a_node_that_waits_for_a_coordinator_leaves_when_its_owner_says_so(pantry: Pantry, tmp_path: Path) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    file, control = node_file(pantry, tmp_path), Control(tmp_path / "node")
    node = Node(read_node_settings(file), file, control.folder, str(tmp_path / "registry"))
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(node.run, threading.Event())
        while control.state() is None:
            assert not ended.done()
            time.sleep(0.02)
        control.instruct("leave")
        ended.result(60)  # without a refusal, which comes when no coordinator does


def test_a_pause_while_images_are_read_holds_at_once_and_ends_with_resume(pantry: Pantry, tmp_path: Path) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        registry.work.announce(Signer.open(tmp_path / "coordinator").seal(Announcement(fleet="127.0.0.1:9")))
    file, control = node_file(pantry, tmp_path), Control(tmp_path / "node")
    node = Node(read_node_settings(file), file, control.folder, str(tmp_path / "registry"))
    stop, said, read = threading.Event(), list[str](), list[int]()

    def progress(done: int, _: int) -> None:
        read.append(done)
        time.sleep(0.6)  # so that the node looks at its instruction between two images
        if control.instruction().wish == "work" and control.instruction().number:
            stop.set()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(node.run, stop, said.append, progress)
        while not read:
            assert not ended.done()
            time.sleep(0.02)
        paused = control.wait_until_followed(control.instruct("pause"))
        assert paused is not None
        before = len(read)
        assert (paused.state, paused.sentence[-16:]) == ("paused", "images were read")
        again = control.wait_until_followed(control.instruct("pause"))
        assert again is not None
        assert (again.state, again.followed, len(read)) == ("paused", 2, before)
        resumed = control.wait_until_followed(control.instruct("work"))
        assert resumed is not None
        assert (resumed.state, resumed.followed) == ("starting", 3)
        ended.result(60)
    assert len(read) > before
    assert len([sentence for sentence in said if sentence.startswith("paused: ")]) == 1
