"""SQLite: one file on one machine, several processes.

WAL mode, so that readers never wait; writers take the write lock at BEGIN (immediate), since a deferred one fails when
two of them meet. synchronous FULL: an acknowledged push survives a power cut. Migrations run under a file lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from ratatouille.errors import Misconfigured, RatatouilleError, Unreachable
from ratatouille.processes.locks import locked
from registry.engines import BUSY_SECONDS, close_all, refuse_unstorable

LOOK_SECONDS = 0.001
"""How often a writer looks whether the lock is free."""


class SqliteEngine:
    """`registry.engines.DatabaseEngine` over a file."""

    looks_before_locking = False

    def __init__(self, path: Path) -> None:
        """Prepare the file; nothing is opened yet."""
        self.name = str(path)
        self.engine = _engine(path)
        self._path = path
        self._turn = threading.Lock()
        """Held by the one thread of this process that writes or looks for the lock; the others wait without looking."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock.

        Raises:
            Unreachable: when another writer does not give the lock free.
        """
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise Unreachable(f"{self.name} is locked by another writer of this process; try again")
        try:
            with self.engine.connect().execution_options(writing=True) as connection:
                try:
                    transaction = connection.begin()
                except OperationalError as error:
                    raise Unreachable(f"{self.name} is locked by another process ({error.orig}); try again") from error
                with transaction:
                    yield connection
        finally:
            self._turn.release()

    @contextmanager
    def migrating(self) -> Iterator[Engine]:
        """A lock on a file beside the database.

        Raises:
            Misconfigured: when there can be no such file.
        """
        path = self._path.with_suffix(".lock")
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(path, wait=True))
            except OSError as error:
                raise Misconfigured(
                    f"{path} cannot be used as the lock of {self.name}: {error.strerror}; remove it, or name another "
                    "folder"
                ) from error
            yield self.engine

    def check_new(self) -> None:
        """SQLite keeps every text."""

    def meaning(self, error: DBAPIError) -> RatatouilleError | None:
        """A lock that was not given and a full disk may pass; a file that is broken or protected does not."""
        said = str(error.orig)
        if any(words in said for words in ("locked", "full", "disk I/O")):
            return Unreachable(f"{self.name} does not answer ({said}); try again")
        if "readonly" in said:
            return Misconfigured(
                f"{self.name} may only be read by this user; write as its owner, or through its service"
            )
        if any(words in said for words in ("unable to open", "not a database", "malformed")):
            return Misconfigured(f"{self.name} cannot be used as a registry's database: {said}")
        return None

    def close(self) -> None:
        """Close all connections, those in use when they come back."""
        close_all(self.engine)


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
            _waiting(),
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("writing"):
            _begin_to_write(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    refuse_unstorable(engine)
    return engine


def _begin_to_write(connection: Connection) -> None:
    """Take the write lock. SQLite's own waiting looks every 100 ms in the end, while others come and go."""
    until = time.monotonic() + BUSY_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > until:
                    raise
                time.sleep(LOOK_SECONDS)
    finally:
        connection.exec_driver_sql(f"PRAGMA {_waiting()}")


def _waiting() -> str:
    return f"busy_timeout={int(BUSY_SECONDS * 1000)}"
