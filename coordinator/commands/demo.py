"""`ratatouille demo`: a whole federation on this machine, one round on emoji from real ImageNet weights.

The federation is four contributors with emoji, made of the same commands that people type. `joined` starts a
coordinator and the nodes as processes of their own and ends them. A second call finds the work in the registry and
shows the same table.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer

from coordinator.commands.follow import follow
from coordinator.commands.running import keep
from coordinator.commands.shown_report import show_report
from coordinator.requests import request
from coordinator.results import result
from coordinator.settings import read_round_settings
from ratatouille.cli.output import TableLayout, counting, print_line, print_table, short
from ratatouille.errors import Refusal, Unreachable
from ratatouille.processes import Child, Program, environment_with_scripts, free_port, module, stop_all
from ratatouille.processes.locks import only_one
from registry.opening import open_registry
from registry.records import LogQuery
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
    from coordinator.benchmark.suites import draw_emoji

    return draw_emoji(folder, (TARGET, *AUXILIARIES))


@contextmanager
def joined(folder: Path, data: Mapping[str, Path]) -> Iterator[Registry]:
    """A coordinator that is up, tasks and foundation that are defined, and all nodes that have joined.

    Raises:
        Refusal: when one of the processes does not start.
    """
    from coordinator.rehearsal import enter_once
    from ratatouille.tasks.emoji import emoji_tasks

    tasks = emoji_tasks()
    with ExitStack() as stack:
        address = stack.enter_context(_coordinator(folder))
        registry = open_registry(address, cache=folder / "cache")
        stack.callback(registry.close)
        for name in (TARGET, *AUXILIARIES):
            registry.definitions.define_task(tasks[name])
        nodes = [Child(_node(folder, name, data, address)).start() for name in NODES]
        stack.callback(stop_all, nodes)  # together: each takes leave of the coordinator, and that takes seconds
        enter_once(registry, address, folder / "logs" / "foundation.log", FOUNDATION, image_size=64)
        _await_nodes(registry)
        yield registry


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a demo's folder.

    Raises:
        Refusal: when another demo, or a coordinator, uses it.
    """
    from coordinator.supervisor import running_pid

    coordinator = folder / "coordinator"
    folder.mkdir(parents=True, exist_ok=True)
    running = f"a demo runs already in {folder}; end it with Ctrl-C in its terminal, or choose another --folder"
    with only_one(folder / "lock", running):
        if running_pid(coordinator) is not None:
            raise Refusal(
                f"a coordinator runs already from {coordinator}; `ratatouille coordinator down --folder {coordinator}` "
                "stops it"
            )
        yield


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


def demo(
    folder: Annotated[Path, typer.Option(help="Where everything is kept; the second call starts from it.")] = Path(
        "ratatouille-demo"
    ),
) -> None:
    """Run a whole federation on this machine and show what it finds.

    It needs no network and no GPU: weights and images come from installed packages. Ctrl-C stops it; the next call goes
    on where it was.
    """
    import ratatouille.tasks.emoji  # noqa: F401  (its absence must show before a folder is made)

    folder = folder.resolve()
    began = time.monotonic()
    with alone(folder), joined(folder, data := write_images(folder)) as registry:
        print_line(f"{len(NODES)} nodes have joined after {time.monotonic() - began:.0f} s: {', '.join(NODES)}")
        if page := registry.info().web:
            print_line(f"watch it: {page}live")
        file = write_settings(folder / "round.toml", ROUND)
        id_ = request(read_round_settings(file), registry).id
        follow(registry, id_)
        record = registry.rounds.round(id_)
        if record.state != "done":
            raise Refusal(f"the round {record.state}: {record.reason}; logs are in {folder}")
        found = result(registry, record)
        keep(folder / "result", found, record, _examples(data))
        show_report(found)
        _show_history(registry, id_)
        print_line("")
        print_line(f"figure and table: {folder / 'result'}   took {time.monotonic() - began:.0f} s")
        print_line(
            f"look around: `ratatouille log --remote {folder / 'coordinator' / 'registry'}`, and `show`, `lineage`, "
            "`verify` with the same --remote"
        )


def _show_history(registry: Registry, round_id: str) -> None:
    kinds: dict[str, int] = {}
    for entry in registry.versions.log(LogQuery(round=round_id), limit=1000):
        kind = entry.version.rule.purpose or entry.version.rule.name
        kinds[kind] = kinds.get(kind, 0) + 1
    print_line("")
    print_line("the history has " + ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds.items())))
    rows = []
    for entry in registry.versions.log(limit=8):
        kind = entry.version.rule.purpose or entry.version.rule.name
        parents = " ".join(short(parent.version)[:7] for parent in entry.version.parents[:6])
        rows.append([short(entry.id), kind, entry.task_name or "", entry.contributor or "registry", parents])
    layout = TableLayout(("version", "made by", "task", "contributor", "parents"), drop=("parents", "contributor"))
    print_table(layout, rows, "the latest versions")


def _examples(data: dict[str, Path]) -> dict[str, list[Any]]:
    """The same five objects in every style."""
    import numpy as np
    from PIL import Image

    place = data[TARGET]
    classes = sorted(path.name for path in (place / HELD_OUT).iterdir())[:: max(1, 14 // 5)][:5]
    examples: dict[str, list[Any]] = {}
    for domain in (*TRAINING, HELD_OUT):
        files = [sorted((place / domain / name).iterdir())[0] for name in classes]
        examples[domain] = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    return examples
