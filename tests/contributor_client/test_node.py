"""A node from its start to its end, in one process: outside of its hours it starts no others."""

import shutil
import threading
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import tomli_w

from contributor_client.activity import Activity
from contributor_client.control import State
from contributor_client.node import Node
from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.tasks.node import read_node_settings
from registry.services.local import LocalRegistry
from tests.contributor_client.pantry import Pantry


def test_the_first_join_says_that_it_makes_a_new_member_and_later_ones_do_not(pantry: Pantry, tmp_path: Path) -> None:
    shutil.copytree(pantry.registry.folder, tmp_path / "registry")
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        registry.work.announce(Signer.open(tmp_path / "coordinator").seal(Announcement(fleet="127.0.0.1:9")))
    begin = datetime.now() + timedelta(hours=2)
    hours = f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"
    table = {"task": pantry.setup.task.name, "path": str(pantry.images), "group": "stem"}
    file = tmp_path / "node.toml"
    file.write_text(tomli_w.dumps({"name": "anna", "device": "cpu", "hours": hours, "data": [table]}))
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
