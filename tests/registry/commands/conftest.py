from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.opening import open_registry
from registry.records import RoundRecord
from tests.ratatouille.cli.call import home as home
from tests.registry.world import World


def make_world(folder: Path) -> World:
    """A registry and a node in a folder."""
    files = folder / "files"
    files.mkdir()
    world = World(open_registry(folder / "registry"), files, Signer.open(folder / "node.key"))
    world.define()
    return world


def make_history(world: World) -> dict[str, str]:
    """A foundation, a head, two trainings and their average with counts; ids by name."""
    probed = world.probed()
    first, second = world.tuned(probed, 1), world.tuned(probed, 2)
    world.registry.rounds.request_round(
        RoundRecord(id="4f2a", name="spring", spec="{}", state="done", created=1.0, changed=1.0)
    )
    parents = tuple(Parent(version=str(one.version)) for one in (first, second))
    average = world.registry.work.combine(Combination(parents=parents), "4f2a", "uniform of 2 for round spring")
    world.work(world.evaluation(average), {})
    foundation = world.registry.versions.show(str(probed.version)).entry.version.parents[0].version
    world.maintainer.release(foundation, "foundation")
    world.maintainer.release(str(average.version))
    found = {"probe": probed, "first": first, "second": second, "average": average}
    return {"foundation": foundation} | {name: str(one.version) for name, one in found.items()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A registry in a folder, which is the remote in force."""
    monkeypatch.setenv("RATATOUILLE_REMOTE", str(tmp_path / "registry"))
    world = make_world(tmp_path)
    yield world
    world.registry.close()


@pytest.fixture
def history(world: World) -> dict[str, str]:
    """What `make_history` enters, in the world."""
    return make_history(world)
