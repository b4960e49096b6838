"""Time to join: from `node join` with an invitation, on a host of its own, to the first work that is admitted.

`python -m benchmarks.hosts.joining [--json] [--folder DIR]` (Linux, root)

A coordinator behind its front door has a long round of short trainings, and nobody to do them. Then one host after the
other joins with an empty home: over a plain line, from behind a CONNECT proxy, and over a line with 200 ms there and
back, 2 % of packets lost each way and 2 Mbit/s. The network has 0.4 MB. Each line of the table tells how many seconds
after the command the person was a member, the node heard orders, and its first work was admitted. What is aimed at is
60 s on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import tomli_w
from rich.console import Console
from rich.table import Table

from benchmarks.ground import NODES, Ground
from benchmarks.hosts.federation import HostFederation
from benchmarks.hosts.network import Line, Network, why_not
from benchmarks.output import REFUSED
from benchmarks.waiting import wait_until
from coordinator.requests import request
from coordinator.settings import read_round_settings

BAD = Line(delay=0.1, loss=0.02, rate=2e6)
"""There and back a packet takes 200 ms; 2 % of them are lost each way; 2 Mbit/s."""
LINES = {"plain": None, "proxy": None, "bad": BAD}
FIRST = ("chiara", "elena")
"""Nodes that are there when the round is requested, which names their data."""
STAGES = ("member", "hears orders", "first work")
_RUNS = 200


@dataclass(frozen=True)
class Join:
    """One join over one line; seconds after the command."""

    line: str
    member: float
    hears: float
    admitted: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    if (reason := why_not()) is not None:
        print(f"error: {reason}", file=sys.stderr)
        return REFUSED
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        joins = measure(folder.resolve())
    if chosen.json:
        print(json.dumps([vars(join) for join in joins]))
        return 0
    table = Table("line", *STAGES, title="seconds after `node join --invite`", box=None)
    for join in joins:
        table.add_row(join.line, *(f"{seconds:.1f}" for seconds in (join.member, join.hears, join.admitted)))
    Console().print(table)
    return 0


def measure(folder: Path) -> list[Join]:
    """One join over each line, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    ground = Ground(folder / "ground", architecture="test_efficientnet")
    protocol = ground.protocol(20) | {"runs": _RUNS}
    file = ground.write_round("long", 20, recipes=["vanilla"], evaluate_held_out=False, protocol=protocol)
    with Network(folder / "hosts") as network, HostFederation(network) as federation:
        ground.enter(federation.registry)
        for name in FIRST:
            federation.connect(name)
            federation.join(name, ground.node_file(name))
        federation.await_nodes(*FIRST)
        request(read_round_settings(file), federation.registry)
        for name in FIRST:
            federation.leave(name)
        return [_join(federation, ground, line) for line in LINES]


def _join(federation: HostFederation, ground: Ground, line: str) -> Join:
    name = f"{line}-line"
    table = {"task": "shapes", "path": "data/shapes", "domains": list(NODES["chiara"]["domains"]), "group": "stem"}
    ground.node_file(name).write_text(tomli_w.dumps({"name": name, "device": "cpu", "data": [table]}))
    federation.connect(name, LINES[line], behind_proxy=line == "proxy")
    invitation, registry = federation.invite(), federation.registry
    began = time.monotonic()
    federation.join(name, ground.node_file(name), invitation)

    def after(true: Callable[[], bool], what: str) -> float:
        wait_until(true, f"{name} {what}")
        return time.monotonic() - began

    member = after(lambda: name in {one.name for one in registry.members.members()}, "is a member")
    hears = after(lambda: name in {one.name for one in registry.work.offers() if one.hears_orders}, "hears orders")
    work = after(lambda: name in {one.contributor for one in registry.versions.log(limit=20)}, "has done something")
    federation.leave(name)
    return Join(line, member, hears, work)


if __name__ == "__main__":
    sys.exit(main())
