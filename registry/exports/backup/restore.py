"""Putting a backup into an empty registry, of any database and any store: weights first, then all rows at once.

So what is killed leaves an empty registry with some files, and can be run again. A backup of an earlier schema fills a
database of that schema, which is then migrated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tomli_w
from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.exc import DBAPIError

from ratatouille.errors import UPGRADE, Refusal
from ratatouille.folders import write_whole
from registry.blobs.access import Blobs
from registry.blobs.store import is_digest
from registry.database import Database
from registry.engines import DatabaseEngine, first_line, open_engine
from registry.exports.backup.folder import MANIFEST, Manifest, copy_in, read_manifest
from registry.exports.backup.rows import check_files, read_rows, read_tables
from registry.migrations import REVISIONS, upgrade
from registry.schema import BlobRow, metadata
from registry.services.weights import Progress
from registry.storage_config import DATABASE, FILE, StorageConfig, read_storage_config

_MARK = "alembic_version"


def restore(folder: Path, to: Path, config: StorageConfig, progress: Progress | None = None) -> Manifest:
    """Fill an empty registry; the caller verifies it then.

    Args:
        folder: the backup.
        to: the registry's folder, which is made.
        config: where its database and its weights are; they are written into its `registry.toml`.
        progress: is called with bytes copied and bytes in all.

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
        copy_in(folder, blobs, _sizes(folder, manifest), progress)
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
    """The weights that the rows name and the backup has."""
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


@contextmanager
def empty_database(url: str | Path, revision: str) -> Iterator[DatabaseEngine]:
    """Open a database and make its tables as a revision has them, if they are not there and empty.

    Raises:
        Refusal: when it is not empty, or the revision is of newer software.
        Unreachable: when the server does not answer.
    """
    if revision not in REVISIONS:
        raise Refusal(f"the backup is by newer software (schema {revision}); upgrade yours: {UPGRADE}")
    engine = open_engine(url)
    try:
        with engine.migrating():
            if not _is_prepared(engine, revision):
                engine.check_new()
                upgrade(engine.engine, revision)
        yield engine
    except DBAPIError as error:
        why = f"{engine.name} does not take the backup: {first_line(error)}"
        raise (engine.meaning(error) or Refusal(why)) from error
    finally:
        engine.close()


def _is_prepared(engine: DatabaseEngine, revision: str) -> bool:
    with engine.reading() as connection:
        there = set(inspect(connection).get_table_names())
        if _MARK not in there:
            if taken := there & metadata.tables.keys():
                raise Refusal(f"{engine.name} has a table {min(taken)} that is not a registry's; name another database")
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        full = _first_full(connection)
        if full is not None or found != revision:
            what = f"table {full}" if full is not None else f"schema {found}"
            raise Refusal(
                f"{engine.name} holds a registry already ({what}); a backup is restored into an empty one: "
                "name another folder or database"
            )
        return True


def _first_full(connection: Connection) -> str | None:
    known = MetaData()
    known.reflect(connection)
    for table in known.sorted_tables:
        if table.name != _MARK and connection.execute(select(table).limit(1)).first() is not None:
            return str(table.name)
    return None
