"""Time to start: how long a federation takes from nothing to the first work, against a rehearsal of the same round.

`python -m benchmarks.starting [--json] [--nodes N] [--folder DIR]`

A round is requested beforehand. Then a coordinator is started, and its nodes as soon as it is up; afterwards a
rehearsal with as many worker processes. The table has the seconds until the first training was in the registry, and the
seconds of a processor that all processes together, and each kind of them, took until then. A training has 20 steps on
tiny images, which take less than a second.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.processors import ProcessorTime
from benchmarks.recovery import Federation
from benchmarks.waiting import wait_until
from registry.opening import open_registry
from registry.services.registry import Registry

_FEWEST_NODES = 2


@dataclass(frozen=True)
class Start:
    """One way of starting, in seconds."""

    way: str
    wall: float
    processor: Mapping[str, float]
    """Part → seconds of a processor."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both ways and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--nodes", type=int, default=4, help="nodes; one of them only counts")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        rows = measure((chosen.folder or Path(temporary)).resolve(), max(_FEWEST_NODES, chosen.nodes))
    if chosen.json:
        print(json.dumps([vars(row) for row in rows]))
    else:
        _show(rows)
    return 0


def measure(folder: Path, nodes: int) -> tuple[Start, Start]:
    """A federation of so many nodes, then a rehearsal of its round."""
    folder.mkdir(parents=True, exist_ok=True)
    federation = Federation(folder, more_nodes=nodes - _FEWEST_NODES)
    try:
        federation.__enter__()
        round = federation.ask_for_round()
        federation.stop()
        registry = folder / "coordinator" / "registry"
        with closing(open_registry(registry)) as quiet:
            wait_until(lambda: not quiet.work.leases(), "nothing is at work any more")
            last = _newest(quiet)
        shutil.copytree(registry, folder / "rehearsed")

        def begin() -> None:
            federation.start_coordinator()
            federation.start_nodes()

        federated = _timed("federation", begin, federation.registry, last)
        federation.stop()
        words = ["round", "run", str(round), "--remote", str(folder / "rehearsed"), "--workers", str(nodes)]
        words += [word for name in federation.holders for word in ("--rehearse", str(federation.node_file(name)))]
        with closing(open_registry(folder / "rehearsed")) as copy:
            process: list[subprocess.Popen[bytes]] = []
            rehearsed = _timed("rehearsal", lambda: process.append(federation.start(*words)), copy, last)
            process[0].terminate()
            process[0].wait(60)
    finally:
        federation.__exit__()
    return federated, rehearsed


def _timed(way: str, begin: Callable[[], None], registry: Registry, last: int) -> Start:
    """`last` is the number of the newest version before."""
    with ProcessorTime() as processor:
        began = time.monotonic()
        begin()
        wait_until(lambda: _newest(registry) > last, f"the {way} has done its first training")
        return Start(way, time.monotonic() - began, processor.by_part())


def _newest(registry: Registry) -> int:
    return registry.versions.log(limit=1)[0].number


def _show(rows: Sequence[Start]) -> None:
    federated, rehearsed = rows
    table = Table("", *(row.way for row in rows), title="seconds until the first training is done", box=None)
    table.add_row("on the clock", *(f"{row.wall:.1f}" for row in rows))
    table.add_row("of a processor", *(f"{sum(row.processor.values()):.1f}" for row in rows))
    for part in dict.fromkeys(part for row in rows for part in row.processor):
        table.add_row(f"  {part}", *(f"{row.processor[part]:.1f}" if part in row.processor else "" for row in rows))
    console = Console()
    console.print(table)
    console.print(f"federation over rehearsal: {federated.wall / rehearsed.wall:.1f} × on the clock")


if __name__ == "__main__":
    sys.exit(main())
