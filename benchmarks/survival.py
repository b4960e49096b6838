"""Survival: rounds over hosts of their own while processes are killed and lines are cut, at random moments.

`python -m benchmarks.survival [--kills N] [--cuts N] [--seconds S] [--seed N] [--json] [--folder DIR]` (Linux, root)

A coordinator behind its front door and three nodes work on one round after the other. Meanwhile kill -9 hits one
process after the other, drawn from all processes of all hosts, and the lines of hosts are cut for `--seconds` each.
What a service manager does is done: a command that has ended (`coordinator up`, `node join`) is started again after a
second. Nothing else is done. In the end the figures say what was lost, what was counted twice, and whether each round
has the digests and the counts of its rehearsal, which no kill disturbed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.digests import counts_of, rehearsed, weights_of
from benchmarks.ground import NODES, Ground
from benchmarks.hosts.federation import COORDINATOR, HostFederation
from benchmarks.hosts.network import Network, why_not
from benchmarks.output import REFUSED
from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.recipes.round import Round
from registry.lists import every
from registry.records import OVER
from registry.services.registry import Registry

STEPS, RECIPES = 60, ("soup", "ratatouille")
_RESTART_SECONDS = 1.0
_KILL_SECONDS = (0.5, 10.0)
"""The shortest and longest time between two kills."""
_ROUND_SECONDS = 1800.0


@dataclass
class Survival:
    """What was done to a federation, and what became of its work."""

    killed: Counter[str] = field(default_factory=Counter)
    """Processes by what they are."""
    cuts: int = 0
    restarts: int = 0
    """Commands that ended and were started again."""
    rounds: int = 0
    acknowledged: int = 0
    """Answers that the registry had acknowledged at any moment."""
    lost: int = 0
    twice: int = 0
    """Questions with more than one answer that counts."""
    unlike: list[str] = field(default_factory=list)
    """Rounds that did not end, or have other digests or counts than their rehearsals."""
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether nothing was lost or counted twice, and every round ended as rehearsed."""
        return not (self.lost or self.twice or self.unlike)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 1 when something was lost, counted twice, or not as rehearsed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a line is cut")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    chosen = parser.parse_args(arguments)
    if (reason := why_not()) is not None:
        print(f"error: {reason}", file=sys.stderr)
        return REFUSED
    with ExitStack() as stack:
        folder = (chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        ground = Ground(folder / "ground", architecture="test_efficientnet")
        network = stack.enter_context(Network(folder / "hosts"))
        federation = stack.enter_context(HostFederation(network))
        ground.enter(federation.registry)
        invitation = federation.invite(uses=len(NODES))
        for name in NODES:
            federation.connect(name)
            federation.join(name, ground.node_file(name), invitation)
        federation.await_nodes(*NODES)
        found = survive(federation, ground, chosen.kills, chosen.cuts, chosen.seconds, chosen.seed)
    if chosen.json:
        print(json.dumps(vars(found)))
    else:
        show(found)
    return 0 if found.whole else 1


def survive(
    federation: HostFederation,
    ground: Ground,
    kills: int,
    cuts: int = 0,
    seconds: float = 60.0,
    seed: int = 0,
    recipes: Sequence[str] = RECIPES,
) -> Survival:
    """Kill so many processes and cut so many lines, and wait until the last round is over.

    Args:
        federation: its nodes are those of the ground, and have joined.
        ground: gets a file for each round.
        kills: processes to kill, one after the other; another round begins whenever one is over.
        cuts: lines to cut, one after the other, at moments spread over the kills.
        seconds: how long a line is cut.
        seed: what is drawn follows from it, as far as processes are the same.
        recipes: what each round asks.
    """
    found, draw, began = Survival(), random.Random(seed), time.monotonic()  # noqa: S311
    registry = federation.registry
    rounds = [_next_round(registry, ground, 0, recipes)]
    seen: dict[str, str] = {}
    with _service_manager(federation, found), _cutter(federation, draw, cuts, kills, seconds, found):
        while found.killed.total() < kills:
            time.sleep(draw.uniform(*_KILL_SECONDS))
            seen |= _acknowledged(registry)
            if registry.rounds.round(rounds[-1].id).state in OVER:
                rounds.append(_next_round(registry, ground, len(rounds), recipes))
            _kill_one(federation, draw, found)
        while registry.rounds.round(rounds[-1].id).state not in OVER and time.monotonic() < began + _ROUND_SECONDS:
            seen |= _acknowledged(registry)
            time.sleep(_RESTART_SECONDS)
        federation.await_nodes(*NODES)
    found.rounds, found.acknowledged = len(rounds), len(seen)
    _judge(registry, ground, rounds, seen, found)
    found.seconds = time.monotonic() - began
    return found


def _judge(registry: Registry, ground: Ground, rounds: Sequence[Round], seen: dict[str, str], found: Survival) -> None:
    """Compare with what was acknowledged, and with rehearsals."""
    now = _acknowledged(registry)
    found.lost = len(seen.items() - now.items())
    found.twice = sum(count > 1 for count in Counter(now.values()).values())
    alone = rehearsed(ground, [ground.folder / f"{round.name}.toml" for round in rounds])
    for round in rounds:
        record = registry.rounds.round(round.id)
        if record.state != "done":
            found.unlike.append(f"{round.name} {record.state}: {record.reason}")
        elif (weights_of(registry, round), counts_of(registry, round)) != alone[round.name]:
            found.unlike.append(f"{round.name} is not as rehearsed")
    found.unlike += [
        f"version {entry.id} is damaged"
        for entry in registry.versions.log(limit=10_000)
        if not registry.versions.verify(entry.id).ok
    ]


def _acknowledged(registry: Registry) -> dict[str, str]:
    """Question by receipt, of all answers that count."""
    nodes = [key.node for key in registry.members.flower_keys()]
    given = every(lambda last: registry.work.submissions(nodes, None if last is None else last.receipt))
    return {one.receipt: one.work_id for one in given if one.state == "admitted"}


def _next_round(registry: Registry, ground: Ground, number: int, recipes: Sequence[str]) -> Round:
    """Request a round of which no work is done yet."""
    steps = STEPS + number
    protocol = ground.protocol(steps) | {"runs": 2}
    file = ground.write_round(f"soak-{number}", steps, recipes=list(recipes), protocol=protocol)
    return request(read_round_settings(file), registry)


def _kill_one(federation: HostFederation, draw: random.Random, found: Survival) -> None:
    """kill -9 one process of all hosts."""
    names = (COORDINATOR, *NODES)
    processes = sorted((pid, name) for name in names for pid in federation.host(name).processes())
    if not processes:
        return
    pid, name = draw.choice(processes)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        what = f"{_what(process.cmdline())} ({'coordinator' if name == COORDINATOR else 'node'})"
        process.kill()
        found.killed[what] += 1


def _what(command: Sequence[str]) -> str:
    """The module or program of a command."""
    words = " ".join(command)
    if "reaper.py" in words:
        return "reaper"
    if "-m" in command:
        place = command.index("-m") + 1
        if command[place].endswith("ratatouille.launch"):
            place = command.index("-m", place) + 1
        return " ".join(command[place : place + 3]) if command[place].endswith("cli.main") else command[place]
    if "multiprocessing" in words:
        return "multiprocessing"
    return Path(command[0]).name if command else "ended"


@contextmanager
def _service_manager(federation: HostFederation, found: Survival) -> Iterator[None]:
    """Start commands again that have ended, as systemd does with Restart=always."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_RESTART_SECONDS):
            for name, process in list(federation.services.items()):
                if process.poll() is not None:
                    found.restarts += 1
                    federation.start_again(name)

    with _beside(look, over):
        yield


@contextmanager
def _cutter(
    federation: HostFederation, draw: random.Random, cuts: int, kills: int, seconds: float, found: Survival
) -> Iterator[None]:
    """Cut one line after the other."""
    over = threading.Event()
    moments = sorted(draw.uniform(0, kills) for _ in range(cuts))
    hosts = [federation.host(draw.choice(sorted(NODES))) for _ in range(cuts)]

    def look() -> None:
        for moment, host in zip(moments, hosts, strict=True):
            while found.killed.total() < moment:
                if over.wait(0.1):
                    return
            host.cut()
            found.cuts += 1
            over.wait(seconds)
            host.mend()

    with _beside(look, over):
        yield


@contextmanager
def _beside(look: Callable[[], None], over: threading.Event) -> Iterator[None]:
    """Run a function in a thread until the block ends; it returns once `over` is set."""
    thread = threading.Thread(target=look, name=look.__qualname__)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def show(found: Survival) -> None:
    """Print the figures."""
    table = Table("kill -9", "times", title="what was killed", box=None)
    for what, count in found.killed.most_common():
        table.add_row(what, str(count))
    console = Console()
    console.print(table)
    console.print(
        f"{found.killed.total()} kills, {found.cuts} cuts, {found.restarts} commands started again, "
        f"{found.rounds} rounds in {found.seconds:.0f} s\n"
        f"acknowledged: {found.acknowledged}; lost: {found.lost}; counted twice: {found.twice}\n"
        + ("every round has the digests and counts of its rehearsal" if not found.unlike else "\n".join(found.unlike))
    )


if __name__ == "__main__":
    sys.exit(main())
