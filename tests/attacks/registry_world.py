"""A registry behind its service, with a node that works for it, and strangers who have a key and read the source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ratatouille.exchange.membership import make_offer
from ratatouille.exchange.signing import Signer
from registry.opening import open_registry
from registry.server import RegistryServer
from tests.registry.world import STOCK, World


@contextmanager
def served_world(folder: Path) -> Iterator[World]:
    """A registry with a task, a foundation and a head; its node offers data."""
    (folder / "files").mkdir()
    service = RegistryServer(folder / "registry")
    service.start()
    with closing(open_registry(service.address, cache=folder / "cache")) as registry:
        world = World(registry, folder / "files", Signer.open(folder / "node.key"))
        world.define()
        world.registry.work.offer(make_offer(world.signer, "zoo", [STOCK], seconds=600.0))
        yield world
    service.stop(grace=1)


def somebody(world: World, name: str) -> World:
    """Another key at the same registry."""
    return World(world.registry, world.folder, Signer.open(world.folder.parent / f"{name}.key"))
