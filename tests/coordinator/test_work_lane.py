"""The work lane with everything real: a SuperLink, two SuperNodes, our executors and workers as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from contributor_client.supernode import SuperNode, SuperNodeSettings
from coordinator.control import Control
from coordinator.superlink import SuperLink, SuperLinkSettings
from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.bundle import archive
from ratatouille.exchange.signing import Signer
from ratatouille.processes import Child, Program, free_port
from ratatouille.record import sha256

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PROBE = archive({file.name: file.read_bytes() for file in (HERE / "probe_bundle").iterdir() if file.is_file()})


def until(condition: Callable[[], Any], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@dataclass
class Lane:
    """A federation of two nodes; `ratatouille` accepts the probe, `purist` only what its owner installed."""

    folder: Path
    superlink: SuperLink
    nodes: list[SuperNode]
    workers: list[Child]
    keys: list[str]
    trace: Path

    @property
    def control(self) -> Control:
        return self.superlink.control

    def probe(self, name: str, nodes: int, orders: int, patience: float = 30, **order: object) -> dict[str, Any]:
        """Run the probe to its end and return what it saw."""
        results = self.folder / f"{name}.json"
        settings = {"results": str(results), "nodes": nodes, "orders": orders, "patience": patience, "order": order}
        run = self.control.submit(name, json.dumps(settings), bundle=PROBE)
        assert until(lambda: self.control.status(run) not in ("pending", "running"), 60)
        log = self.superlink.settings.folder / "logs" / "superlink.log"
        assert self.control.status(run) == "completed", log.read_text()[-3000:]
        seen: dict[str, Any] = json.loads(results.read_text())
        return seen


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    folder = tmp_path_factory.mktemp("lane")
    trace = folder / "trace"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TRACE_OF_HOSTILE_CODE", str(trace))
        superlink = SuperLink(SuperLinkSettings(folder / "coordinator", free_port()))
        nodes, workers, keys = [], [], []
        for name, accepted in (("ratatouille", (sha256(PROBE),)), ("purist", ())):
            home = folder / name
            settings = SuperNodeSettings(
                home, superlink.settings.address, home / "key", home / "worker", accepted_bundles=accepted
            )
            nodes.append(SuperNode(settings))
            command = (sys.executable, str(HERE / "echo_worker.py"), str(home / "worker"))
            workers.append(Child(Program("worker", command, home / "logs" / "worker.log", restart=True)))
            keys.append(Signer.open(home / "key").node)
        try:
            superlink.start()
            for part in (*nodes, *workers):
                part.start()
            assert until(lambda: sum(node.online for node in superlink.control.nodes()) == 2)
            yield Lane(folder, superlink, nodes, workers, keys, trace)
        finally:
            for part in (*nodes, *workers, superlink):
                part.stop()


def test_orders_go_round_and_the_node_is_known_by_its_own_key(lane: Lane) -> None:
    seen = lane.probe("orders", nodes=1, orders=4)
    assert list(seen["nodes"].values()) == [lane.keys[0]]
    assert [reply["body"]["order"]["number"] for reply in seen["replies"]] == [0, 1, 2, 3]
    assert len({reply["body"]["worker"] for reply in seen["replies"]}) == 1
    print(json.dumps(seen, indent=1))
