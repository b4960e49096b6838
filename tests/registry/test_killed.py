"""kill -9 at each commit point of a push, a combination and a release: nothing is half there, and repeating ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.exchange.change import Move
from ratatouille.exchange.version import Combination, Parent
from registry.commands.verify import audit
from tests.registry.killed import DIED, run
from tests.registry.world import World

CLAIMED = {"after the claims": "registry.ledger.claims:Claims.take:after"}
PUSH = {
    "when all bytes are here": "registry.blobs.inbox:IncomingFile.finish:after:2",
    "before the first file is stored": "registry.blobs.access:Blobs.place:before",
    "between two files": "registry.blobs.access:Blobs.place:after",
    "between files and rows": "registry.contributions.push:admit:before",
    "between two rows": "registry.contributions.ledger:enter_version:after",
    "after the rows, before the transaction ends": "registry.contributions.push:admit:after",
}
COMBINE = {
    "between two parts": "registry.averages:CombineJob.compute:after",
    "before the first file is stored": "registry.blobs.access:Blobs.place:before",
    "between files and rows": "registry.averages:enter_version:before",
    "after the rows, before the transaction ends": "registry.averages:enter_version:after",
}
RELEASE = {
    "after the change, before the move": "registry.ledger.releases:enter_change:after",
    "after the rows, before the transaction ends": "registry.ledger.releases:record_event:after",
}
ACKNOWLEDGED = {
    "push": "weights:Weights.push",
    "combine": "work:Work.combine",
    "release": "releases:Releases.move_alias",
}
POINTS = [
    (action, point)
    for action, points in (("push", CLAIMED | PUSH), ("combine", CLAIMED | COMBINE))
    for point in points.values()
]
POINTS += [("release", point) for point in RELEASE.values()]


@pytest.fixture
def orders(world: World) -> dict[str, tuple[Path, ...]]:
    """What each action is asked to do: files that its process reads."""
    start = world.probed()
    first, second = (world.tuned(start, seed) for seed in (1, 2))
    receipt, _ = world.fine_tune(start, 3)
    world.lease(receipt)
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    move = Move(name="stable", version=str(second.version), before=None, at=1.0)
    records = {
        "push": world.seal(receipt).to_json(),
        "combine": Combination(parents=parents).to_json(),
        "release": world.signer.seal(move).to_json(),
    }
    for name, text in records.items():
        (world.folder / name).write_bytes(text)
    extra = {"push": (world.folder,)}
    return {name: (world.folder / name, *extra.get(name, ())) for name in records}


def state(world: World) -> set[str]:
    """Versions and aliases, once nothing is wrong."""
    whole = audit(world.registry)
    assert whole.ok, whole.findings
    entries = {f"{entry.id} {entry.state}" for entry in world.registry.versions.log(limit=100)}
    return entries | {f"{name} {version}" for name, version in world.registry.releases.aliases().items()}


def do(world: World, orders: dict[str, tuple[Path, ...]], action: str, point: str = "-") -> int:
    found = run(point, world.folder.parent / "registry", action, *orders[action])
    assert found.returncode in (0, DIED)
    return found.returncode


@pytest.mark.parametrize("world", ["folder", "postgresql"], indirect=True)
@pytest.mark.parametrize(("action", "point"), POINTS)
def test_killed_before_its_transaction_ends_nothing_has_happened(
    world: World, orders: dict[str, tuple[Path, ...]], action: str, point: str
) -> None:
    before = state(world)
    assert do(world, orders, action, point) == DIED
    assert state(world) == before
    assert do(world, orders, action) == 0
    assert len(state(world) - before) == 1


@pytest.mark.parametrize("world", ["folder", "postgresql"], indirect=True)
@pytest.mark.parametrize("action", ACKNOWLEDGED)
def test_killed_before_its_acknowledgement_it_has_happened_once(
    world: World, orders: dict[str, tuple[Path, ...]], action: str
) -> None:
    before = state(world)
    assert do(world, orders, action, f"registry.services.{ACKNOWLEDGED[action]}:after") == DIED
    after = state(world)
    assert len(after - before) == 1
    assert do(world, orders, action) == 0
    assert state(world) == after
