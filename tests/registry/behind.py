"""Ways behind a world's registry: its folder, its store, and weights that somebody exchanges there."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import text

from registry.blobs.folder import FolderStore
from registry.blobs.opening import open_store
from registry.blobs.store import BlobStore
from registry.services.local import LocalRegistry
from registry.storage_config import read_storage_config
from tests.registry.world import World


def folder_of(world: World) -> Path:
    return world.folder.parent / "registry"


def direct(world: World) -> LocalRegistry:
    """The folder itself, beside whatever serves it: several processes may hold it open."""
    return LocalRegistry(folder_of(world))


def change(world: World, *statements: str) -> None:
    """Write into the database behind the registry's back."""
    local = direct(world)
    with local.publisher.database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))
    local.close()


def to_s3(folder: Path, url: str) -> None:
    """Move a registry's weights from its folder to a store elsewhere."""
    before, store = FolderStore(folder / "blobs"), open_store(url)
    for stored in before.stored():
        store.put(before.path(stored.digest), stored.digest)
    shutil.rmtree(folder / "blobs")
    (folder / "registry.toml").write_text(f'weights = "{url}"')


def store_of(world: World) -> BlobStore:
    """Where the weights lie."""
    return open_store(read_storage_config(folder_of(world)).weights or str(folder_of(world) / "blobs"))


def replace(world: World, digest: str, data: bytes | None) -> None:
    """Exchange what the store has, as somebody could who gets at its disks; the registry's copies go too."""
    shutil.rmtree(folder_of(world) / "cache" / "blobs", ignore_errors=True)
    store_of(world).remove(digest)
    if data is not None:
        path = world.folder / "other"
        path.write_bytes(data)
        store_of(world).put(path, digest)
