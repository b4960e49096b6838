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
