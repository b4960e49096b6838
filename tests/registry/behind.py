"""Ways behind a world's registry: its folder, its store, and weights that somebody exchanges there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, insert, text

from registry.blobs.folder import FolderStore
from registry.blobs.opening import open_store
from registry.blobs.store import BlobStore
from registry.leaves import leaf_rows
from registry.schema import LeafRow
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


def hash_again(connection: Connection, other: Mapping[str, str] | None = None) -> None:
    """Make all leaves of the log anew, as somebody does who changes it: nothing in it contradicts the rest then.

    Args:
        connection: a transaction.
        other: digests that take the place of others in what entries are about.
    """
    about = {row.event: row.about for row in connection.execute(text("SELECT event, about FROM leaves"))}
    connection.execute(text("DELETE FROM leaves"))
    events = connection.execute(text("SELECT * FROM events ORDER BY number")).mappings().all()
    changed = {number: (other or {}).get(said, said) for number, said in about.items()}
    pairs = [(dict(row), changed.get(row["number"])) for row in events]
    connection.execute(insert(LeafRow), list(leaf_rows(pairs)))
