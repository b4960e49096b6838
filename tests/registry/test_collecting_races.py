"""gc against pushes and combinations, each in a process of its own: nothing that was acknowledged is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry import racer
from tests.registry.seasons import files, keep_rounds
from tests.registry.world import World, featurizer, head

ROUNDS = 12
WEIGHTS = 3
"""So many different bodies and heads: gc takes those of one round while the next one brings them again."""


def prepare(world: World, name: str, path: Path) -> None:
    """Receipts for the rounds of one pusher; no two ask the same question."""
    start = world.probed()
    with path.open("w") as file:
        for number in range(ROUNDS):
            sealed = []
            for turn in (0, 1):
                which = 100 + (number + turn) % WEIGHTS
                seed = 1000 * (name == "second") + 10 * number + turn
                body, top = featurizer(which), head(which)
                receipt, _ = world.fine_tune(start, seed, body=body, top=top, round=f"{name}-{number}")
                world.lease(receipt, 600.0)
                sealed.append(world.seal(receipt).model_dump())
            print(json.dumps(sealed), file=file)


def start(world: World, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, racer.__file__, world.folder.parent / "registry", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.parametrize("world", ["folder", "postgresql"], indirect=True)
def test_gc_races_with_pushers_and_nothing_acknowledged_is_lost(world: World, tmp_path: Path) -> None:
    keep_rounds(world, 1)
    names = ("first", "second")
    for name in names:
        prepare(world, name, tmp_path / name)
    pushers = [start(world, "push", name, tmp_path / name, world.folder) for name in names]
    collectors = [start(world, "gc", tmp_path / "stop") for _ in range(2)]
    try:
        said = [process.communicate(timeout=250) for process in pushers]
    finally:
        (tmp_path / "stop").touch()
        taken = [process.communicate(timeout=60) for process in collectors]
    for process, (_, errors) in zip([*pushers, *collectors], [*said, *taken], strict=True):
        assert process.returncode == 0, errors
    acknowledged = [version for out, _ in said for version in out.split()]
    assert len(set(acknowledged)) == 2 * 3 * ROUNDS
    assert sum(int(count) for out, _ in taken for count in out.split()) > 4 * WEIGHTS, "none came back in between"

    entries = world.registry.versions.log(limit=200)
    assert {entry.id for entry in entries} >= set(acknowledged)
    kept = set()
    for entry in entries:
        report = world.registry.versions.verify(entry.id)
        assert report.verdict != "wrong", report
        if all(check.verdict == "ok" for check in report.checks if check.what in ("featurizer", "head")):
            kept.add(entry.id)
    newest = next(entry.round for entry in entries)
    assert kept >= {entry.id for entry in entries if entry.round == newest}
    world.registry.maintenance.collect(dry_run=False)
    parts = {part for entry in entries if entry.id in kept for part in (entry.version.featurizer, entry.version.head)}
    assert files(world).keys() <= parts
