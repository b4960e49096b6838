"""The federation of the demo: four contributors with emoji, made of the same commands that people type.

`joined` starts a coordinator and the nodes as processes of their own and ends them; what is done with them is up to
`coordinator.commands.demo` and `benchmarks.overhead`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from coordinator.foundation import enter_once
from ratatouille.cli.progress import counting
from ratatouille.errors import Refusal, Unreachable
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, module, stop_all
from ratatouille.processes.pools import process_pool
from registry.opening import open_registry
from registry.services.registry import Registry

HELD_OUT = "noto-mono"
TARGET = "emoji-things"
TRAINING = ("openmoji", "openmoji-line", "twemoji")
AUXILIARIES = ("emoji-objects", "emoji-people", "emoji-scenes", "emoji-smileys")
FOUNDATION = "efficientnet-lite0"

NODES: dict[str, dict[str, Any]] = {
    "anna": {"tasks": AUXILIARIES[:2], "domains": TRAINING},
    "bruno": {"tasks": (*AUXILIARIES[2:], TARGET), "domains": TRAINING},
    "chiara": {"tasks": (TARGET,), "domains": TRAINING},
    "dario": {"tasks": (TARGET,), "domains": (HELD_OUT,), "trains": False},
}
"""Who holds what: two with auxiliary tasks, one of them and another with the target's training styles, one with the
held-out style, who only counts."""

ROUND: dict[str, Any] = {
    "name": "emoji-demo",
    "target": TARGET,
    "held_out": [HELD_OUT],
    "auxiliaries": list(AUXILIARIES),
    "recipes": ["linear_probe", "vanilla", "soup", "ratatouille"],
    "foundation": "foundation",
    "slices": ["seen", "new"],
    "protocol": {"name": "emoji", "runs": 5, "steps": 100, "warmup": 10, "auxiliary_steps": 50, "batch": 8},
}
"""The round that the demo runs; docs/emoji-protocol.md says how its numbers were chosen."""


def write_images(folder: Path) -> dict[str, Path]:
    """The emoji tasks as ordinary folders `domain/class/*.png`."""
    from ratatouille.tasks.emoji import write_emoji

    tasks = (TARGET, *AUXILIARIES)
    places = {task: folder / "data" / task for task in tasks}
    with counting("drawing emoji, tasks") as progress, process_pool(2) as pool:
        drawn = [pool.submit(write_emoji, task, places[task]) for task in tasks]
        for done, _ in enumerate(as_completed(drawn), 1):
            progress(done, len(tasks))
        for future in drawn:
            future.result()
    return places


@contextmanager
def joined(folder: Path, data: Mapping[str, Path]) -> Iterator[Registry]:
    """A coordinator that is up, tasks and foundation that are defined, and all nodes that have joined.

    Raises:
        Refusal: when one of the processes does not start.
    """
    with ExitStack() as stack:
        address = stack.enter_context(_coordinator(folder))
        registry = open_registry(address, cache=folder / "cache")
        stack.callback(registry.close)
        _define_tasks(registry)
        nodes = [Child(_node(folder, name, data, address)).start() for name in NODES]
        stack.callback(stop_all, nodes)  # together: each says goodbye to the coordinator, and that takes seconds
        enter_once(registry, address, folder / "logs" / "foundation.log", FOUNDATION, image_size=64)
        _await_nodes(registry)
        yield registry


@contextmanager
def _coordinator(folder: Path) -> Iterator[str]:
    port, superlink_port = free_port(), free_port()
    place = folder / "coordinator"
    command = [*module("ratatouille.cli.main"), "coordinator", "up", "--folder", str(place)]
    command += ["--port", str(port), "--superlink-port", str(superlink_port), "--web-port", "0"]
    program = Program(
        "coordinator", tuple(command), folder / "logs" / "coordinator.log", environment_with_scripts(), grace=20.0
    )
    with Child(program) as child:
        address = f"grpc://127.0.0.1:{port}"
        _await_coordinator(address, child)
        yield address


def _await_coordinator(address: str, child: Child) -> None:
    registry = open_registry(address)
    while True:
        try:
            if registry.info().fleet is not None:
                registry.close()
                return
        except Unreachable:
            pass
        if child.given_up:
            raise Refusal(f"the coordinator did not start: {child.log_tail(3)}")
        time.sleep(0.2)


def _define_tasks(registry: Registry) -> None:
    from ratatouille.tasks.emoji import emoji_tasks

    tasks = emoji_tasks()
    for name in (TARGET, *AUXILIARIES):
        registry.definitions.define_task(tasks[name])


def node_file(folder: Path, name: str, data: Mapping[str, Path]) -> Path:
    """Write the node.toml of one of the nodes."""
    who = NODES[name]
    tables = [
        {"task": task, "path": str(data[task]), "domains": list(who["domains"]), "group": "stem"}
        for task in who["tasks"]
    ]
    # Nodes on one machine take turns: more trainings at once than processors would only slow each other down.
    settings = {"name": name, "trains": who.get("trains", True), "data": tables}
    if settings["trains"]:
        settings |= {"turns": str(folder / "turns"), "at_once": os.cpu_count() or 1}
    return write_settings(folder / "nodes" / f"{name}.toml", settings)


def _node(folder: Path, name: str, data: Mapping[str, Path], address: str) -> Program:
    file = node_file(folder, name, data)
    command = [*module("ratatouille.cli.main"), "node", "join", str(file), "--remote", address]
    command += ["--folder", str(folder / "nodes" / name)]
    environment = environment_with_scripts(OMP_NUM_THREADS="1")
    return Program(f"node {name}", tuple(command), folder / "logs" / f"{name}.log", environment, restart=True)


def _await_nodes(registry: Registry) -> None:
    deadline = time.monotonic() + 120
    with counting("nodes that have joined") as progress:
        while len(offers := [offer for offer in registry.work.offers() if offer.hears_orders]) < len(NODES):
            progress(len(offers), len(NODES))
            if time.monotonic() > deadline:
                here = {offer.name for offer in offers}
                missing = ", ".join(name for name in NODES if name not in here)
                raise Refusal(f"these nodes did not join within two minutes: {missing}; their logs say why")
            time.sleep(0.2)


def write_settings(path: Path, values: dict[str, Any]) -> Path:
    """Write a TOML file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
    return path
