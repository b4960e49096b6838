"""A real federation on loopback for tests: the commands that people type, as processes, on tiny synthetic tasks.

`Ground` makes data, settings files and a foundation; `Federation` starts a coordinator and nodes from them, and kills
what a test wants killed.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest
import tomli_w

from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.processes import free_port
from ratatouille.recipes.round import Round
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.services.registry import Registry

NODES: dict[str, dict[str, Any]] = {
    "anna": {"tasks": ("shapes-pointed", "shapes-round"), "domains": ("day", "night")},
    "chiara": {"tasks": ("shapes",), "domains": ("day", "night")},
    "elena": {"tasks": ("shapes",), "domains": ("sketch",), "trains": False},
}
SIZE = 32


class Ground:
    """Data, foundation and settings in one folder; nothing runs yet."""

    def __init__(self, folder: Path, steps: int = 30) -> None:
        self.folder = folder
        for task in synthetic_tasks():
            write_synthetic(task, folder / "data" / task, size=SIZE)
        self.foundation = folder / "foundation.safetensors"
        _random_weights(self.foundation)
        for name in NODES:
            self._write_node(name)
        self.round = self.write_round("round", steps)

    def write_round(self, name: str, steps: int, **more: Any) -> Path:
        """A round.toml; `more` are its other keys."""
        values: dict[str, Any] = {
            "name": name,
            "target": "shapes",
            "held_out": ["sketch"],
            "recipes": ["linear_probe", "vanilla", "greedy_soup", "ensemble", "fusing", "ratatouille"],
            "slices": ["seen", "new"],
            "protocol": self.protocol(steps),
        } | more
        path = self.folder / f"{name}.toml"
        path.write_text(tomli_w.dumps(values))
        return path

    @staticmethod
    def protocol(steps: int) -> dict[str, Any]:
        """A round's protocol, where none is given."""
        return {
            "name": "emoji",
            "image_size": SIZE,
            "runs": 3,
            "steps": steps,
            "warmup": 3,
            "batch": 4,
            "evaluate_every": 10,
            "average_from": 5,
            "auxiliary_steps": steps,
            "learning_rate": 1e-3,
            "learning_rates": [1e-3, 3e-3],
        }

    def node_file(self, name: str) -> Path:
        """A node's settings file."""
        return self.folder / f"{name}.toml"

    def enter(self, registry: Registry) -> None:
        """Define the tasks and enter the foundation."""
        from contributor_client.commands.foundation import enter_foundation
        from ratatouille.exchange.signing import Signer
        from registry.maintainer import Maintainer

        for task in synthetic_tasks().values():
            registry.definitions.define_task(task)
        signer = Signer.open(self.folder / "maintainer" / "key")
        work = self.folder / "encoded"
        work.mkdir(exist_ok=True)
        found = enter_foundation(registry, signer, work, str(self.foundation), "test_resnet", SIZE)
        assert found.version is not None
        Maintainer(registry, signer).release(found.version)

    def _write_node(self, name: str) -> None:
        who = NODES[name]
        tables = [
            {"task": task, "path": f"data/{task}", "domains": list(who["domains"]), "group": "stem"}
            for task in who["tasks"]
        ]
        values = {"name": name, "trains": who.get("trains", True), "device": "cpu", "data": tables}
        self.node_file(name).write_text(tomli_w.dumps(values))


class Federation:
    """A coordinator and nodes, each a process that can be killed; use it as a context manager."""

    def __init__(self, ground: Ground, home: Path, nodes: Collection[str] = tuple(NODES)) -> None:
        """`nodes` are those that join at the start; each costs a process with torch and three others."""
        self.ground = ground
        self.home = home
        self.nodes = nodes
        self.port, self.superlink_port = free_port(), free_port()
        self.address = f"grpc://127.0.0.1:{self.port}"
        self.registry: Registry = open_registry(self.address, cache=home / "cache")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._person = pytest.MonkeyPatch()

    def __enter__(self) -> Self:
        self.start_coordinator()
        self.ground.enter(self.registry)
        for name in self.nodes:
            self.start_node(name)
        wait_until(lambda: len(self.registry.work.offers()) == len(self.nodes), 240, "all nodes have joined")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.registry.close()
        self._person.undo()

    def start_coordinator(self) -> None:
        """Start `coordinator up` and wait for it."""
        # the test is the coordinator's owner, as a person at that machine with the same home is
        self._person.setenv("RATATOUILLE_HOME", str(self.home))
        ports = ["--port", str(self.port), "--superlink-port", str(self.superlink_port), *self.page()]
        self._start("coordinator", "coordinator", "up", "--folder", str(self.home / "coordinator"), *ports)
        wait_until(self._fleet_is_up, 90, "the coordinator is up")

    def page(self) -> list[str]:
        """Options that decide about the web page."""
        return ["--no-web"]

    def start_node(self, name: str) -> None:
        """Start `node join`."""
        folder = ["--folder", str(self.home / "nodes" / name)]
        self._start(name, "node", "join", str(self.ground.node_file(name)), "--remote", self.address, *folder)

    def kill(self, name: str) -> None:
        """kill -9 what a person started with all its descendants at one moment, as when its machine loses power."""
        process = self.processes.pop(name)
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()
        psutil.wait_procs(family)

    def request(self, file: Path) -> Round:
        """Enter a round."""
        return request(read_round_settings(file), self.registry)

    def finish(self, round: Round, seconds: float = 240) -> RoundRecord:
        """Wait until a round is over."""
        over = ("done", "failed", "cancelled")
        what = f"round {round.name} is over"
        wait_until(lambda: self.registry.rounds.round(round.id).state in over, seconds, what, pause=0.5)
        return self.registry.rounds.round(round.id)

    def _fleet_is_up(self) -> bool:
        process = self.processes["coordinator"]
        assert process.poll() is None, (self.home / "coordinator.log").read_text()
        return self.registry.info().fleet is not None

    def _start(self, name: str, *words: str, home: Path | None = None) -> None:
        environment = {**os.environ, "RATATOUILLE_HOME": str(home or self.home), "OMP_NUM_THREADS": "1"}
        with (self.home / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-P", "-m", "ratatouille.cli.main", *words]
            self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def wait_until(true: Callable[[], bool], seconds: float, what: str, pause: float = 0.1) -> None:
    """Wait for something that will be true; services that are just starting may be unreachable.

    `pause` seconds lie between two looks: a look at a service costs a processor some milliseconds.
    """
    from ratatouille.errors import Unreachable

    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except Unreachable:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(pause)


def _random_weights(path: Path) -> None:
    """Random weights with a fixed seed, as somebody's own file."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=0)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
