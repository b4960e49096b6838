"""Putting a backup into an empty registry, of any database and any store: weights first, then all rows at once.

So what is killed leaves an empty registry with some files, and can be run again. A backup of an earlier schema fills a
database of that schema, which is then migrated.
"""

from __future__ import annotations

from pathlib import Path

import tomli_w

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from registry.blobs.access import Blobs
from registry.blobs.store import is_digest
from registry.database import Database
from registry.exports.backup.copying import Copied, copy_in
from registry.exports.backup.manifest import MANIFEST, Manifest, read_manifest
from registry.exports.backup.rows import check_files, read_rows, read_tables
from registry.exports.backup.target import empty_database
from registry.schema import BlobRow
from registry.storage_config import DATABASE, FILE, StorageConfig, read_storage_config


def restore(folder: Path, to: Path, config: StorageConfig, said: Copied = lambda done, total: None) -> Manifest:
    """Fill an empty registry; the caller verifies it then.

    Args:
        folder: the backup.
        to: the registry's folder, which is made.
        config: where its database and its weights are; they are written into its `registry.toml`.
        said: is told how many bytes are copied.

    Raises:
        Refusal: for a backup that is not whole or by newer software, or a registry that is not empty.
        Unreachable: when database or store do not answer, or the disk is full; the same may be run again.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise Refusal(f"there is no backup in '{folder}': it has no {MANIFEST}")
    check_files(folder, manifest.tables)
    _settle(to, config)
    with empty_database(config.database or to / DATABASE, manifest.revision) as database:
        blobs = Blobs(to, config.weights, config.cache_megabytes * 2**20)
        blobs.store.check()
        copy_in(folder, blobs, _sizes(folder, manifest), said)
        with database.writing() as connection:
            read_tables(connection, folder, manifest.tables)
    Database(config.database or to / DATABASE, config.migrations).close()  # migrates
    return manifest


def _settle(to: Path, config: StorageConfig) -> None:
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = config.model_dump(exclude_none=True)
    if (to / FILE).exists() and read_storage_config(to) != config:
        raise Refusal(f"'{to / FILE}' names other places than this command; name another folder, or the same places")
    if said and not (to / FILE).exists():
        write_whole(to / FILE, [tomli_w.dumps(said).encode()])


def _sizes(folder: Path, manifest: Manifest) -> dict[str, int]:
    """The weights that the rows promise and the backup has."""
    tables = [table for table in manifest.tables if table.table == BlobRow.__tablename__]
    if len(tables) != 1:
        raise Refusal(f"the backup in '{folder}' has {len(tables)} lists of its weights; use another backup")
    table = tables[0]
    wanted = {}
    for number, row in enumerate(read_rows(folder / table.path), start=1):
        digest, size = row.get("digest"), row.get("size")
        if not (isinstance(digest, str) and is_digest(digest) and isinstance(size, int) and size >= 0):
            raise Refusal(f"line {number} of '{folder / table.path}' names no weights; use another backup")
        if row.get("collected") is None:
            wanted[digest] = size
    return {digest: size for digest, size in wanted.items() if digest not in manifest.missing}
