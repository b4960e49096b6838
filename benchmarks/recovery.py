"""Time to recover: how long a federation takes to be whole again after kill -9 of a part of it.

`python -m benchmarks.recovery [--json] [--times N] [--busy PROCESSES] [--folder DIR]`

A coordinator and two nodes make a round of many short trainings on tiny synthetic images. Then Flower's SuperLink is
killed, which comes back by itself; and the whole coordinator, which is started again at once. Each line tells how many
seconds after the kill something happened: `answers` (the SuperLink), `asked` (the round was handed to it again),
`order` (a node has a new order of it: whole again). `--busy` keeps so many processors busy beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import tomli_w
from rich.console import Console
from rich.table import Table

from benchmarks.waiting import wait_until
from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.exchange.signing import Signer
from ratatouille.processes import environment_with_scripts, free_port, module
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from registry.opening import open_registry

TASK, SIZE = "shapes", 32
ORDER = " order: "
STAGES = ("answers", "asked", "order")
_SUPERLINKS = ("coordinator.flower_superlink", "flower-superlink")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--times", type=int, default=3, help="kills of each kind")
    parser.add_argument("--busy", type=int, default=0, help="processes that keep processors busy meanwhile")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for _ in range(chosen.busy):
            burner = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(burner.wait)
            stack.callback(burner.kill)
        found = measure(folder.resolve(), chosen.times)
    if chosen.json:
        print(json.dumps(found))
        return 0
    table = Table("killed", *(f"{stage}, s" for stage in STAGES), title="seconds after kill -9 (median)")
    for killed, rows in found.items():
        table.add_row(killed, *(f"{median(row[stage] for row in rows):.1f}" for stage in STAGES))
    Console().print(table)
    return 0


class Federation:
    """A coordinator and two nodes on loopback, as the processes that people start; a context manager."""

    def __init__(self, folder: Path, more_nodes: int = 0) -> None:
        """`more_nodes` hold the same data as the one that trains."""
        self.folder = folder
        self.holders = {"trainer": ["day", "night"], "counter": ["sketch"]}
        self.holders |= {f"trainer{number}": ["day", "night"] for number in range(more_nodes)}
        self.port, self.superlink_port = free_port(), free_port()
        self.registry = open_registry(f"grpc://127.0.0.1:{self.port}", cache=folder / "cache")
        self.output = folder / "output.log"
        self.coordinator: subprocess.Popen[bytes] | None = None
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._home_before: str | None = None
        self.log = folder / "trainer" / "logs" / "worker.log"
        """Where the node that trains writes what orders it has."""

    def __enter__(self) -> Federation:
        # this process enters tasks and rounds, which the coordinator's owner may, in whose home the key lies
        self._home_before = os.environ.get("RATATOUILLE_HOME")
        os.environ["RATATOUILLE_HOME"] = str(self.folder / "home")
        self.prepare()
        self.start_nodes()
        wait_until(lambda: len(self.registry.work.offers()) == len(self.holders), "all nodes have joined")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.registry.close()
        os.environ.pop("RATATOUILLE_HOME", None)
        os.environ |= {} if self._home_before is None else {"RATATOUILLE_HOME": self._home_before}

    def prepare(self) -> None:
        """Draw the images, start the coordinator, and enter the task and the foundation."""
        write_synthetic(TASK, self.folder / "data", size=SIZE)
        self.start_coordinator()
        self._enter_foundation()

    def node_file(self, name: str) -> Path:
        """The node.toml of a holder, written anew."""
        data = {"task": TASK, "path": str(self.folder / "data"), "domains": self.holders[name], "group": "stem"}
        return self._write(name, {"name": name, "device": "cpu", "trains": name != "counter", "data": [data]})

    def start_nodes(self) -> None:
        """Start all nodes and return at once."""
        for name in self.holders:
            remote = ["--remote", f"grpc://127.0.0.1:{self.port}", "--folder", str(self.folder / name)]
            self._nodes.append(self.start("node", "join", str(self.node_file(name)), *remote))

    def stop(self) -> None:
        """End everything that runs."""
        started = [*self._nodes, *([self.coordinator] if self.coordinator else [])]
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)
        self._nodes, self.coordinator = [], None

    def start_coordinator(self) -> None:
        """Start it and wait until it has announced the fleet."""
        words = ["--folder", str(self.folder / "coordinator"), "--port", str(self.port), "--no-web"]
        self.coordinator = self.start("coordinator", "up", *words, "--superlink-port", str(self.superlink_port))
        wait_until(lambda: self.registry.info().fleet is not None, "the coordinator is up")

    def kill_coordinator(self) -> None:
        """All of its processes at one moment, as when its machine loses power."""
        assert self.coordinator is not None
        family = [*psutil.Process(self.coordinator.pid).children(recursive=True), psutil.Process(self.coordinator.pid)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self.coordinator.wait()
        psutil.wait_procs(family, 30)

    def ask_for_round(self) -> Path:
        """Enter a round that outlasts all kills; returns its file."""
        protocol: dict[str, Any] = {"name": "emoji", "image_size": SIZE, "runs": 200, "steps": 20, "warmup": 3}
        protocol |= {"batch": 4, "evaluate_every": 10, "average_from": 5, "auxiliary_steps": 20}
        values = {"name": "long", "target": TASK, "held_out": ["sketch"], "recipes": ["vanilla"], "protocol": protocol}
        file = self._write("long", values)
        request(read_round_settings(file), self.registry)
        return file

    def _enter_foundation(self) -> None:
        import timm
        import torch
        from safetensors.torch import save_file

        from contributor_client.commands.foundation import enter_foundation
        from registry.maintainer import Maintainer

        self.registry.definitions.define_task(synthetic_tasks()[TASK])
        torch.manual_seed(0)
        network, file = timm.create_model("test_resnet", num_classes=0), self.folder / "foundation.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
        signer = Signer.open(self.folder / "maintainer" / "key")
        found = enter_foundation(self.registry, signer, self.folder, str(file), "test_resnet", SIZE)
        assert found.version is not None
        Maintainer(self.registry, signer).release(found.version)

    def _write(self, name: str, values: dict[str, Any]) -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(tomli_w.dumps(values), encoding="utf-8")
        return path

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `ratatouille` with these words."""
        environment = environment_with_scripts(RATATOUILLE_HOME=str(self.folder / "home"), OMP_NUM_THREADS="1")
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [*module("ratatouille.cli.main"), *words], env=environment, stdout=output, stderr=output
            )


def measure(folder: Path, times: int) -> dict[str, list[dict[str, float]]]:
    """What was killed → for each kill, seconds until each stage."""
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {"SuperLink": [], "coordinator": []}
    with Federation(folder) as federation:
        federation.ask_for_round()
        wait_until(lambda: _count(federation.log, ORDER) > 2, "the round is under way")
        for _ in range(times):
            _youngest(federation, _SUPERLINKS).kill()
            found["SuperLink"].append(_timed(federation, lambda: None))
            federation.kill_coordinator()
            found["coordinator"].append(_timed(federation, federation.start_coordinator))
    return found


def _timed(federation: Federation, again: Callable[[], None]) -> dict[str, float]:
    began, asked = time.time(), _count(federation.output, "has Flower run")
    again()
    took = {}
    wait_until(lambda: _answers(federation.superlink_port), "the SuperLink answers")
    took["answers"] = time.time() - began
    wait_until(lambda: _count(federation.output, "has Flower run") > asked, "the round is handed out")
    took["asked"] = time.time() - began
    orders = _count(federation.log, ORDER)
    wait_until(lambda: _count(federation.log, ORDER) > orders, "a node has an order")
    took["order"] = time.time() - began
    print({stage: round(seconds, 1) for stage, seconds in took.items()}, file=sys.stderr, flush=True)
    time.sleep(5)  # so that the next kill meets a federation at work
    return took


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/health", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _youngest(federation: Federation, names: Sequence[str]) -> psutil.Process:
    """The process of the coordinator whose command holds one of these words, and not the reaper before it."""
    assert federation.coordinator is not None
    found = []
    for process in psutil.Process(federation.coordinator.pid).children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            if "reaper.py" not in words and any(name in words for name in names):
                found.append((process.create_time(), process))
        except psutil.NoSuchProcess:
            continue
    if not found:
        raise LookupError(f"there is no process {names[0]}")
    return max(found, key=lambda one: one[0])[1]


def _count(log: Path, text: str) -> int:
    return log.read_text(errors="replace").count(text) if log.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
