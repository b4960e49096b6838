"""The cost of federation: the demo's round over Flower against the same round rehearsed with as many processes.

`python -m benchmarks.overhead [--json] [--steps N] [--folder DIR]`

Start-up (services, nodes, Flower's run until the first order begins) is told apart. Then both are timed from the start
of the first assignment to the last answer, and the median pause is told: how long it takes from the moment when a node
could begin an assignment to the beginning of the work itself. Its two parts are the node's own time around the work
(fetching, loading) and the rest, in which Flower and the round carry the order. What takes processors from the training
meanwhile is told by kind of process. Limits: 15 % over the rehearsal, 2 s for the pause.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.processors import ProcessorTime
from coordinator.commands.demo import NODES, ROUND, joined, node_file, write_images, write_settings
from coordinator.commands.follow import follow
from coordinator.driver import RoundDriver
from coordinator.rehearsal import RehearsalSite, rehearse
from coordinator.requests import request
from coordinator.settings import RoundSettings, read_round_settings
from ratatouille.exchange.order import Order
from ratatouille.recipes.round import Round
from ratatouille.tasks.node import read_node_settings
from registry.opening import open_registry
from registry.records import Result
from registry.services.registry import Registry

LARGEST_SHARE, LONGEST_PAUSE = 0.15, 2.0


@dataclass(frozen=True)
class Timed:
    """One way of running the round, in seconds."""

    way: str
    startup: float
    span: float
    """From the beginning of the first assignment to the last answer."""
    work: float
    """Sum of the assignments' own time."""
    pause: float | None
    """Median over assignments of the time that is not work (federated only)."""
    own: float | None
    """Median of the pause's part in which the node fetches and loads (federated only)."""
    processor: Mapping[str, float]
    """Kind of process → seconds of a processor in the span."""
    digests: frozenset[tuple[str | None, str | None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, print the table; 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, help="steps of a target run instead of the demo's")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (chosen.folder or Path(temporary)).resolve()
        data = write_images(folder)
        values: dict[str, Any] = ROUND | {"name": "overhead"}
        if chosen.steps:
            values["protocol"] = {**ROUND["protocol"], "steps": chosen.steps}
        settings = read_round_settings(write_settings(folder / "round.toml", values))
        federated = _federated(folder, data, settings, quiet=chosen.json)
        rehearsed = _rehearsed(folder, data, settings)
    share = federated.span / rehearsed.span - 1
    met = share <= LARGEST_SHARE and (federated.pause or 0.0) <= LONGEST_PAUSE
    same = federated.digests == rehearsed.digests
    if chosen.json:
        rows = [{key: value for key, value in vars(one).items() if key != "digests"} for one in (federated, rehearsed)]
        print(json.dumps({"rows": rows, "overhead": share, "same_weights": same, "met": met}))
    else:
        _show((federated, rehearsed), share, same)
    return 0 if met and same else 1


def _federated(folder: Path, data: dict[str, Path], settings: RoundSettings, quiet: bool) -> Timed:
    began = time.time()
    with ProcessorTime() as processor, joined(folder, data) as registry:
        round = request(settings, registry)
        follow(registry, round.id, quiet)
        return _timed("federated", registry, round, began, processor)


def _rehearsed(folder: Path, data: dict[str, Path], settings: RoundSettings) -> Timed:
    """The same questions, in a registry that knows nothing but the definitions and the foundation."""
    old, new = open_registry(folder / "coordinator" / "registry"), open_registry(folder / "rehearsal" / "registry")
    for task in old.definitions.tasks():
        new.definitions.define_task(task)
    _copy_foundation(old, new)
    nodes = tuple(read_node_settings(node_file(folder, name, data)) for name in NODES)
    began = time.time()
    site = RehearsalSite(str(folder / "rehearsal" / "registry"), nodes, folder / "rehearsal")
    with ProcessorTime() as processor:
        round = rehearse(settings, site, workers=len(NODES))
    return _timed("rehearsal", new, round, began, processor)


def _copy_foundation(old: Registry, new: Registry) -> None:
    """Enter the same weights again: versions differ in their receipts, questions do not."""
    from contributor_client.commands.foundation import enter_foundation
    from coordinator.commands.demo import FOUNDATION
    from ratatouille.exchange.signing import Signer
    from registry.maintainer import Maintainer

    with tempfile.TemporaryDirectory() as folder:
        signer = Signer.open(Path(folder) / "key")
        size = old.definitions.architecture(old.versions.show("foundation").entry.version.architecture).input_size
        entered = enter_foundation(new, signer, Path(folder), FOUNDATION, None, size)
        assert entered.version is not None
        Maintainer(new, signer).release(entered.version, "foundation")


def _timed(way: str, registry: Registry, round: Round, began: float, processor: ProcessorTime) -> Timed:
    driver = RoundDriver(round, registry, registry.rounds.round(round.id).created)
    assert driver.gather().done
    answers = sorted((fact for fact in driver.facts.values() if fact.node), key=lambda fact: fact.created)
    first, last = min(map(_began, answers)), max(fact.created for fact in answers)
    pauses = _pauses(driver, os.cpu_count() or 1) if way == "federated" else []
    return Timed(
        way=way,
        startup=first - began,
        span=last - first,
        work=sum(fact.seconds for fact in answers),
        pause=median(pause for pause, _ in pauses) if pauses else None,
        own=median(own for _, own in pauses) if pauses else None,
        processor=processor.by_part(first, last),
        digests=frozenset((fact.featurizer, fact.head) for fact in driver.facts.values()),
    )


def _pauses(driver: RoundDriver, at_once: int) -> list[tuple[float, float]]:
    """For each assignment: from the moment when its node could have begun to the beginning of the work itself.

    With each the part of it that the node itself needs.

    A node could have begun when it had answered its former assignment, the versions that this one starts from were
    there, and, for those that share the machine, one of the `at_once` turns was free. So what a node spends on orders,
    leases, fetching and loading counts, and so does what Flower spends; waiting for others' results does not.
    """
    questions = driver.gather().questions
    made = {fact.version: fact.created for fact in driver.facts.values() if fact.version}
    answers = sorted((fact for fact in driver.facts.values() if fact.node), key=_began)
    trainers = {fact.node for fact in answers if fact.version}  # they take turns
    former: dict[str | None, float] = {}
    turns = [0.0] * at_once
    pauses = []
    for fact in answers:
        order = questions[fact.work_id]
        assert isinstance(order, Order)
        possible = max(former.get(fact.node, 0.0), *(made.get(parent, 0.0) for parent in order.parents))
        if fact.node in trainers:
            possible = max(possible, min(turns))
            turns.remove(min(turns))
            turns.append(fact.created)
        if possible:  # the first ones wait for the start of the round
            pause = max(0.0, fact.created - fact.seconds - possible)
            pauses.append((pause, min(pause, fact.overhead)))
        former[fact.node] = fact.created
    return pauses


def _began(fact: Result) -> float:
    return fact.created - fact.seconds - fact.overhead


def _show(rows: Sequence[Timed], share: float, same: bool) -> None:
    table = Table("", "start-up", "round", "work in it", "median pause", "the node's part", title="seconds", box=None)
    for row in rows:
        pause, own = ("" if value is None else f"{value:.2f}" for value in (row.pause, row.own))
        table.add_row(row.way, f"{row.startup:.1f}", f"{row.span:.1f}", f"{row.work:.1f}", pause, own)
    console = Console()
    console.print(table)
    shares = Table("", *(row.way for row in rows), title="processors in the round, seconds", box=None)
    for part in dict.fromkeys(part for row in rows for part in row.processor):
        shares.add_row(part, *(f"{row.processor[part]:.1f}" if part in row.processor else "" for row in rows))
    console.print(shares)
    console.print(f"federated over rehearsed: {100 * share:+.1f} % (limit {100 * LARGEST_SHARE:.0f} %)")
    console.print(f"limit of the median pause: {LONGEST_PAUSE:.0f} s")
    console.print("the weights are the same, bit for bit" if same else "the weights differ")


if __name__ == "__main__":
    sys.exit(main())
