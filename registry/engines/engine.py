"""The interface of a database engine, as `registry.database` needs it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from ratatouille.errors import RatatouilleError

BUSY_SECONDS = 60.0
"""How long a writer waits for the lock."""


class DatabaseEngine(Protocol):
    """One open database."""

    engine: Engine
    name: str
    """The database without its password, for messages."""

    looks_before_locking: bool
    """Whether the revision may be read before the lock of `migrating` is taken. Making a new SQLite file may not meet
    another process that does the same; a server has no such moment, and its lock may need another address.
    """

    def reading(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that holds the write lock from its beginning; committed at the end, undone when it raises."""

    def migrating(self) -> AbstractContextManager[Engine]:
        """A lock between all processes that migrate; it ends with the process, however that ends. Gives the engine to
        migrate with.
        """

    def check_new(self) -> None:
        """See that new tables would keep every text; raises Refusal."""

    def meaning(self, error: DBAPIError) -> RatatouilleError | None:
        """What an error means for people: `Unreachable` where the same may work later (a lock that was not given, a
        server that went away), `Misconfigured` where somebody must change something first, None for a defect of ours.
        """

    def close(self) -> None:
        """Close all connections, those in use when they come back."""


def close_all(engine: Engine) -> None:
    """Close the connections that nobody uses; from now on, one that comes back is closed too."""

    @event.listens_for(engine, "checkin")
    def _close(connection: object, record: ConnectionPoolEntry) -> None:
        record.invalidate()

    engine.dispose()


def first_line(error: DBAPIError) -> str:
    """What the database said, without its hints."""
    return str(error.orig).strip().partition("\n")[0]
