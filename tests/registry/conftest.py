from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from tests.registry.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    registry = open_registry(tmp_path / "registry")
    files = tmp_path / "files"
    files.mkdir()
    world = World(registry, files, Signer.open(tmp_path / "node.key"))
    world.define()
    yield world
    registry.close()
