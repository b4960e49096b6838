"""Database engines: SQLite for one machine, PostgreSQL for more. `open_engine` chooses one and opens it.

Values are checked before any database sees them, so that the same are refused on every kind of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from ratatouille.errors import RatatouilleError, Refusal
from registry.texts import storable

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
        """Check that new tables would keep every text; raises Refusal."""

    def meaning(self, error: DBAPIError) -> RatatouilleError | None:
        """What an error means for people: `Unreachable` where the same may work later (a lock that was not given, a
        server that went away), `Misconfigured` where a person must change something first, None for a defect of ours.
        """

    def close(self) -> None:
        """Close all connections, those in use when they come back."""


def close_all(engine: Engine) -> None:
    """Close the unused connections; from now on, one that comes back is closed too."""

    @event.listens_for(engine, "checkin")
    def _close(connection: object, record: ConnectionPoolEntry) -> None:
        record.invalidate()

    engine.dispose()


def first_line(error: DBAPIError) -> str:
    """What the database said, without its hints."""
    return str(error.orig).strip().partition("\n")[0]


LARGEST_INTEGER = 2**63 - 1


def refuse_unstorable(engine: Engine) -> None:
    """From now on, a value that some database does not keep is refused before any database sees it."""

    @event.listens_for(engine, "before_cursor_execute")
    def _look(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        for row in parameters if many else (parameters,):
            _check(row.values() if isinstance(row, dict) else row)


def _check(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, str):
            storable(value)
        elif isinstance(value, int) and not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise Refusal("a number has more than 64 bits, which no database keeps")


def open_engine(url: str | Path, migrations: str | None = None) -> DatabaseEngine:
    """The engine for a URL.

    Args:
        url: `postgresql://user@host:port/name`, or the path of a SQLite file.
        migrations: the address of the PostgreSQL server itself, where `url` is that of a pooler before it.

    Raises:
        Refusal: for another address, a password in it, or a driver that is not installed.
    """
    text = str(url)
    # each branch imports what it needs: a file does not need PostgreSQL's driver
    if isinstance(url, str) and "://" in text:
        kind = text.partition("://")[0]
        if kind not in ("postgresql", "postgres"):
            raise Refusal(f"{kind!r} is no database; use postgresql://user@host/name, or a folder")
        from registry.engines.postgresql import PostgresqlEngine

        return PostgresqlEngine(text, migrations)
    from registry.engines.sqlite import SqliteEngine

    return SqliteEngine(Path(url))
