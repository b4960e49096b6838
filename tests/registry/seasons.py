"""Two rounds that are over, of which a policy keeps the newer one: the ground for the tests of gc."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from ratatouille.exchange.version import Combination, Parent
from registry.records import Result, RoundRecord
from registry.services.local import LocalRegistry
from tests.registry.world import World


def direct(world: World) -> LocalRegistry:
    """The folder itself, beside whatever serves it."""
    return LocalRegistry(world.folder.parent / "registry")


def keep_rounds(world: World, count: int | None) -> None:
    """Set the policy, as whoever has the folder does."""
    with closing(direct(world)) as local:
        local.maintenance.configure("retention_rounds", count)


def files(world: World) -> dict[str, int]:
    """What the store has, by digest, with sizes."""
    with closing(direct(world)) as local:
        return {stored.digest: stored.size for stored in local.blobs.store.stored()}


def enter_round(world: World, name: str, state: str = "done") -> None:
    now = time.time()
    record = {"id": name, "name": name, "spec": "{}", "state": state, "created": now, "changed": now}
    world.registry.rounds.request_round(RoundRecord.model_validate(record))


def run(world: World, start: Result, seed: int, round: str) -> Result:
    return world.work(*world.fine_tune(start, seed, round=round))


def mean(world: World, *members: Result, round: str = "spring", purpose: str = "uniform") -> Result:
    parents = tuple(Parent(version=str(one.version)) for one in members)
    return world.registry.work.combine(Combination(parents=parents, purpose=purpose), round)


@pytest.fixture
def seasons(world: World) -> dict[str, Result]:
    """Two rounds that are over: spring with runs a, b, c and their average, autumn with run d. Autumn is kept."""
    start = world.probed()
    made = {"start": start}
    for round, names in {"spring": "abc", "autumn": "d"}.items():
        enter_round(world, round)
        for name in names:
            made[name] = run(world, start, 2 + len(made), round)
    made["abc"] = mean(world, *(made[name] for name in "abc"))
    keep_rounds(world, 1)
    return made


def gone(world: World, made: dict[str, Result]) -> set[str]:
    """Names of those whose weights are not here."""
    answers = world.registry.work.results([one.work_id for one in made.values()])
    marked = {name for name, one in made.items() if answers[one.work_id].collected is not None}
    stored = files(world)
    assert marked == {name for name, one in made.items() if not {one.featurizer, one.head} <= stored.keys()}
    return marked
