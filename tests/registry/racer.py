"""Processes that push and collect at once: FOLDER, then `push NAME RECEIPTS FILES` or `gc STOP`. Run as a script.

A pusher runs short rounds of two runs and their average: RECEIPTS has a line of two sealed receipts for each round.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ratatouille.errors import Unreachable
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Combination, Parent
from registry.records import Result, RoundRecord
from registry.services.local import LocalRegistry

T = TypeVar("T")


def push(registry: LocalRegistry, name: str, receipts: Path, files: Path) -> None:
    """Run the rounds; prints each acknowledged version."""
    weights = {path.stem: path for path in files.glob("*.safetensors")}
    for line in receipts.read_text().splitlines():
        sealed = [Sealed.model_validate(one) for one in json.loads(line)]
        read = [Receipt.from_json(one.body) for one in sealed]
        round, now = str(read[0].round), time.time()
        registry.rounds.request_round(
            RoundRecord(id=round, name=name, spec="{}", state="running", created=now, changed=now)
        )
        registry.rounds.use(round, read[0].parents)
        made = [patiently(lambda r=r, s=s: sent(registry, r, s, weights)) for r, s in zip(read, sealed, strict=True)]  # type: ignore[misc]
        question = Combination(parents=tuple(Parent(version=str(one.version)) for one in made), purpose=name)
        made.append(patiently(lambda q=question, r=round: registry.work.combine(q, r)))  # type: ignore[misc]
        registry.rounds.move_round(round, ["running"], "done")
        for one in made:
            print(one.version, flush=True)


def sent(registry: LocalRegistry, receipt: Receipt, sealed: Sealed, weights: dict[str, Path]) -> Result:
    """Push; the lease is taken."""
    return registry.weights.push(sealed, weights)


def collect(registry: LocalRegistry, stop: Path) -> None:
    """gc until a file appears; prints how many parts it took each time."""
    while not stop.exists():
        print(registry.maintenance.collect(dry_run=False).blobs, flush=True)


def patiently(attempt: Callable[[], T]) -> T:
    """Again as long as it is to be tried again."""
    while True:
        try:
            return attempt()
        except Unreachable as error:
            print(error, file=sys.stderr, flush=True)
            time.sleep(0.02)


def main(folder: str, action: str, *arguments: str) -> None:
    """One role."""
    registry = LocalRegistry(Path(folder))
    if action == "push":
        name, receipts, files = arguments
        push(registry, name, Path(receipts), Path(files))
    else:
        collect(registry, Path(arguments[0]))
    registry.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
