from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.membership import Announcement
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.services.local import LocalRegistry
from registry.storage_config import StorageConfig
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.s3 import Weed
from tests.registry.world import World

Make = Callable[[str], StorageConfig]


@pytest.fixture
def world(tmp_path: Path, beginning: Path) -> Iterator[World]:
    """A registry in a folder with one of everything."""
    shutil.copytree(beginning, tmp_path, dirs_exist_ok=True)
    registry = LocalRegistry(tmp_path / "registry")
    world = World(registry, tmp_path / "files", Signer.open(tmp_path / "node.key"))
    start = world.probed()
    tuned = [world.tuned(start, seed) for seed in (2, 3)]
    average = registry.work.combine(Combination(parents=tuple(Parent(version=str(one.version)) for one in tuned)))
    world.work(world.evaluation(average), {})
    world.maintainer.release(str(tuned[0].version))
    world.maintainer.release(str(average.version), message="“better” – by 2 %")
    world.maintainer.undo()
    world.maintainer.tag(str(average.version), "spring")
    registry.work.announce(world.signer.seal(Announcement(fleet="127.0.0.1:1")))
    yield world
    registry.close()


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """StorageConfig by words: where `PostgreSQL` or `S3` occur, a new database or prefix of a real server."""

    def make(words: str) -> StorageConfig:
        database, weights = None, None
        if "PostgreSQL" in words:
            server: PostgresqlServer = request.getfixturevalue("postgresql")
            database = server.new()
        if "S3" in words:
            weed: Weed = request.getfixturevalue("s3")
            weights = weed.url(f"{tmp_path.name}/{len(list(tmp_path.iterdir()))}")
        return StorageConfig(database=database, weights=weights)

    return make
