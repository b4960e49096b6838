"""A process that dies by kill -9 at a point of its own work: POINT, FOLDER, then what it does there.

A point is `module:name:before` or `module:name:after`, with `:2` for the second time. Run by the tests as a script;
without a point (`-`) it lives and prints its answer.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
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


def run(point: str, folder: Path, action: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run this script."""
    command = [sys.executable, __file__, point, str(folder), action, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment)


def main(point: str, folder: str, action: str, *arguments: str) -> None:
    """Do it, or die."""
    if point != "-":
        arm(point)
    registry = LocalRegistry(Path(folder))
    print(ACTIONS[action](registry, *arguments), flush=True)
    registry.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
