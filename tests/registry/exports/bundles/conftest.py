from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.exports.bundles.export import export
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.registry.world import World

Elsewhere = Callable[[str], LocalRegistry]


@pytest.fixture
def made(world: World) -> dict[str, Result]:
    """A history with an average that was evaluated, tagged, and trained on."""
    start = world.probed()
    first, second = world.tuned(start, 2), world.tuned(start, 3)
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    average = world.registry.work.combine(Combination(parents=parents), "r1", "uniform of 2")
    world.work(world.evaluation(average), {})
    world.maintainer.tag(str(average.version), "spring")
    later = world.tuned(average, 4)
    return {"start": start, "first": first, "second": second, "average": average, "later": later}


@pytest.fixture
def bundle(world: World, made: dict[str, Result], tmp_path: Path) -> Path:
    """The average and what it is made of, as a file."""
    export(world.registry, [str(made["average"].version)], tmp_path / "average.tar", tags=True)
    return tmp_path / "average.tar"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Makes empty registries, and closes them."""
    opened: list[LocalRegistry] = []

    def make(name: str = "elsewhere") -> LocalRegistry:
        opened.append(LocalRegistry(tmp_path / name))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def stranger(tmp_path: Path) -> Signer:
    """Somebody else."""
    return Signer.open(tmp_path / "stranger.key")
