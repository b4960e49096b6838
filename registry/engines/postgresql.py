"""PostgreSQL: one server, any number of machines. The same promises as SQLite's, by other means.

Reads are REPEATABLE READ; a write takes one advisory lock for its transaction, so writers come one after another, and
what a writer has looked at holds until it commits. `synchronous_commit` is on, whatever the server's default: an
acknowledged push survives a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from ratatouille.errors import Refusal, Unreachable
from registry.engines.engine import BUSY_SECONDS, first_line

WRITING = 0x7261746174  # "ratat"
MIGRATING = WRITING + 1
CONNECT_SECONDS = 10
PASSWORDS = "put it into ~/.pgpass, $PGPASSWORD or $PGPASSFILE"


class PostgresqlEngine:
    """`registry.engines.engine.DatabaseEngine` over a server."""

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened yet.

        Raises:
            Refusal: for an address with a password in it, an unusable one, or without the driver.
        """
        if urlsplit(url).password or parse_qs(urlsplit(url).query).get("password"):
            raise Refusal(f"a database's address must not hold the password, which would be seen in lists; {PASSWORDS}")
        try:
            self._url = make_url(url).set(drivername="postgresql+psycopg")
            self.name = self._url.set(drivername="postgresql").render_as_string(hide_password=True)
            self.engine = create_engine(
                self._url,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    "application_name": f"ratatouille {os.getpid()}",
                    "options": f"-c lock_timeout={int(BUSY_SECONDS * 1000)} -c synchronous_commit=on",
                },
                pool_size=8,
                max_overflow=72,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
            )
        except ArgumentError as error:
            raise Refusal(f"{url!r} is no address of a database; write postgresql://user@host:port/name") from error
        except ModuleNotFoundError as error:
            raise Refusal(
                "PostgreSQL needs psycopg, which is not installed; pip install 'model-ratatouille[postgresql]'"
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state."""
        with self.engine.connect().execution_options(postgresql_readonly=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock."""
        options = {"isolation_level": "READ COMMITTED"}  # what is read after the lock came is what the last writer left
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            _lock(connection, "pg_advisory_xact_lock", WRITING)
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """An advisory lock of a session of its own."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            _lock(connection, "pg_advisory_lock", MIGRATING)
            try:
                yield
            finally:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATING})

    def refusal(self, error: DBAPIError) -> Refusal:
        """A server that is not there may come back."""
        reason = first_line(error)
        hint = f"; {PASSWORDS}" if "password" in reason else ""
        return Unreachable(f"no database answers at {self.name}: {reason}{hint}")

    def may_pass(self, error: DBAPIError) -> bool:
        """All of these: connections that broke, locks that were not given, a server that is full or going down."""
        return True

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _lock(connection: Connection, function: str, key: int) -> None:
    connection.execute(text(f"SELECT {function}(:key)"), {"key": key})
