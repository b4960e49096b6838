"""A real federation on loopback for tests: the commands that people type, as processes, on tiny synthetic tasks.

`Ground` has data, settings files and a foundation; `Federation` starts a coordinator and nodes from them, and kills
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
from typing import Self

import psutil
import pytest

from benchmarks.ground import NODES as NODES
from benchmarks.ground import SIZE as SIZE
from benchmarks.ground import Ground as Ground
from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.processes import free_port
from ratatouille.recipes.round import Round
from registry.opening import open_registry
from registry.records import RoundRecord
from registry.services.registry import Registry


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
