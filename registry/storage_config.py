"""The storage configuration of a registry: `registry.toml` in its folder says where its database and weights are.

    database = "postgresql://ratatouille@db.example.org/ratatouille"
    weights = "s3://bucket/prefix"

An address never holds a secret: PostgreSQL's password comes from ~/.pgpass, $PGPASSWORD or $PGPASSFILE, and S3's keys,
region and endpoint come from the usual AWS_ variables.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ratatouille.record import Record
from ratatouille.settings import read_settings

FILE = "registry.toml"
DATABASE = "registry.db"
LOG_KEY = "log.key"
"""The key that signs the heads of the log; services of one database share it."""


class StorageConfig(Record):
    """The contents of registry.toml; what it leaves out is in the folder."""

    database: str | None = None
    """`postgresql://user@host:port/name`; None is `registry.db` in the folder."""
    migrations: str | None = None
    """The address of the PostgreSQL server itself, where `database` is that of a pooler such as PgBouncer."""
    weights: str | None = None
    """`s3://bucket/prefix`, or a folder by its full path; None is `blobs` in the registry's folder."""
    cache_megabytes: Annotated[int, Field(ge=0)] = 20 * 1024
    """How much of weights that lie elsewhere is kept in the registry's folder too."""


def read_storage_config(folder: Path) -> StorageConfig:
    """The storage configuration of a registry folder.

    Raises:
        Refusal: for a file that says something else.
    """
    path = folder / FILE
    there = path.exists() or path.is_symlink()  # a link to nowhere is no reason to make another database
    return read_settings(path, StorageConfig, "registry") if there else StorageConfig()


def is_registry(folder: Path) -> bool:
    """Whether there is a registry in this folder."""
    return (folder / DATABASE).exists() or (folder / FILE).exists()
