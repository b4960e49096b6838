"""A process that dies by kill -9 at a point of its own work.

A point is `module:name:before` or `module:name:after`, with `:2` for the second time; without a point (`-`) the process
lives and gives its answer. A server that has imported the registry once forks each of them.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import multiprocessing
import os
import runpy
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Combination
from registry.services.local import LocalRegistry

DIED = -signal.SIGKILL


def retract(registry: LocalRegistry, sealed: str) -> str:
    """Take a version back."""
    return registry.releases.retract(Sealed.from_json(Path(sealed).read_bytes())).to_json().decode()


def collect(registry: LocalRegistry) -> str:
    """Remove what the policy does not keep."""
    return registry.maintenance.collect(dry_run=False).to_json().decode()


def push(registry: LocalRegistry, sealed: str, files: str) -> str:
    """Commit a contribution."""
    paths = {path.stem: path for path in Path(files).glob("*.safetensors")}
    return registry.weights.push(Sealed.from_json(Path(sealed).read_bytes()), paths).to_json().decode()


def combine(registry: LocalRegistry, combination: str) -> str:
    """Make an average."""
    return registry.work.combine(Combination.from_json(Path(combination).read_bytes())).to_json().decode()


def release(registry: LocalRegistry, sealed: str) -> str:
    """Move an alias."""
    return registry.releases.move_alias(Sealed.from_json(Path(sealed).read_bytes())).to_json().decode()


ACTIONS: dict[str, Callable[..., str]] = {
    "push": push,
    "combine": combine,
    "release": release,
    "retract": retract,
    "collect": collect,
}


def arm(point: str) -> None:
    """Make this process die when it comes to a point."""
    where, name, when, *time = point.split(":")
    owner: Any = importlib.import_module(where)
    *path, last = name.split(".")
    for step in path:
        owner = getattr(owner, step)
    work, calls = getattr(owner, last), itertools.count(1)
    deadly = int(time[0]) if time else 1

    @functools.wraps(work)
    def armed(*arguments: Any, **named: Any) -> Any:
        now = next(calls) == deadly
        if now and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = work(*arguments, **named)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, last, armed)


@dataclass(frozen=True)
class Ended:
    """How such a process ended, and what it answered."""

    returncode: int | None
    answer: str


def run(point: str, folder: Path, action: str, *arguments: object) -> Ended:
    """Run this file in a process of its own."""
    from coordinator.rehearsal import WORKER_IMPORTS  # which uses the same server

    _FORKS.set_forkserver_preload([*WORKER_IMPORTS, "registry.retraction", "sqlalchemy.dialects.postgresql.psycopg"])
    answer = folder.parent / "answer.json"
    answer.unlink(missing_ok=True)
    given = {"GIVEN": (answer, point, folder, action, *map(str, arguments))}
    process = _FORKS.Process(target=runpy.run_path, args=(__file__, given, "__main__"))
    process.start()
    process.join(250)
    return Ended(process.exitcode, answer.read_text() if answer.exists() else "")


def main(answer: Path, point: str, folder: Path, action: str, *arguments: str) -> None:
    """Do it, or die."""
    if point != "-":
        arm(point)
    registry = LocalRegistry(folder)
    answer.write_text(ACTIONS[action](registry, *arguments))
    registry.close()


_FORKS = multiprocessing.get_context("forkserver")

if __name__ == "__main__":
    main(*globals()["GIVEN"])
