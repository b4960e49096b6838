"""The database of a registry folder: how it is opened, migrated, read and written.

SQLite in WAL mode, so that readers never wait; writers take the write lock at BEGIN (immediate), since a deferred one
fails when two of them meet. synchronous FULL: an acknowledged push survives a power cut. Several processes may hold the
same folder; the migration runs under a file lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from ratatouille.errors import Refusal, Unreachable

HEAD = "0001"
"""The revision of the migrations that this code was written for; a test compares."""

BUSY_SECONDS = 60.0


class Database:
    """Read and write transactions on one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it if need be, and bring its tables up to date.

        Raises:
            Refusal: for a file that is no database of ours, or one that newer software has migrated.
        """
        self.path = path
        self._engine = _engine(path)
        try:
            with locked(path.with_suffix(".lock")):
                self._migrate()
        except DatabaseError as error:
            self.close()
            raise Refusal(f"{path} cannot be used as a registry's database: {error.orig}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, whatever is written meanwhile."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning; it is undone when the block raises.

        Raises:
            Unreachable: when another process does not give the lock free.
        """
        with self._engine.connect().execution_options(begin="BEGIN IMMEDIATE") as connection:
            try:
                transaction = connection.begin()
            except OperationalError as error:
                raise Unreachable(f"{self.path} is locked by another process ({error.orig}); try again") from error
            with transaction:
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        found = _revision(self._engine)
        if found == HEAD:
            return
        from registry.migrations import REVISIONS, upgrade  # Alembic is slow to import, and rarely needed

        if found is not None and found not in REVISIONS:
            raise Refusal(f"{self.path} was migrated by newer software (revision {found}); upgrade this installation")
        upgrade(self._engine)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; it ends with the process, however that ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),  # as text, a question mark in the path would begin parameters
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        pool_size=8,
        max_overflow=120,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # BEGIN is ours to say, below
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)
