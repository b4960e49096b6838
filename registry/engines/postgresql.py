"""PostgreSQL: one server, any number of machines. The same promises as SQLite's, by other means.

Reads are REPEATABLE READ; a write takes one advisory lock for its transaction, so writers come one after another, and
what a writer has looked at holds until it commits. `synchronous_commit` is on, whatever the server's default: an
acknowledged push survives a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from ratatouille.errors import Refusal, Unreachable
from registry.engines.engine import BUSY_SECONDS, close_all, first_line
from registry.engines.values import refuse_unstorable

WRITING = 0x7261746174  # "ratat"
MIGRATING = WRITING + 1
CONNECT_SECONDS = 10
HELD_SECONDS = 600.0
"""A writer that says nothing for so long has lost its lock: the others need not wait for whatever became of it."""
CONNECTIONS = 32
"""Of one process at most; a server takes a hundred by default."""
PASSWORDS = "put it into ~/.pgpass, $PGPASSWORD or $PGPASSFILE"
SECRETS = frozenset({"password", "sslpassword"})
KEEPALIVES = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
"""Both sides notice within a minute that the other vanished; the system's default is two hours."""
SESSION = {
    "lock_timeout": int(BUSY_SECONDS * 1000),
    "synchronous_commit": "on",
    **{f"tcp_{name}": value for name, value in KEEPALIVES.items()},
}
REFUSED = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", "authentication failed")
READ_ONLY = frozenset({"42501", "25006"})
"""Missing privileges; a server or transaction that is read-only."""
PASSING = frozenset({"08", "53", "57", "58", "55P03", "40001", "40P01", "25P03", "25P04"})
"""Classes of errors, and some errors: connection, resources, operator's intervention, the system, locks, time."""

_TAKE_LOCK = text("SELECT set_config('idle_in_transaction_session_timeout', :held, true), pg_advisory_xact_lock(:key)")


class PostgresqlEngine:
    """`registry.engines.engine.DatabaseEngine` over a server."""

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened yet.

        Raises:
            Refusal: for an address with a password in it, an unusable one, or without the driver.
        """
        try:
            address = make_url(url).set(drivername="postgresql+psycopg")
            if address.password or SECRETS & address.query.keys():
                raise Refusal(f"a database's address must not hold a password, which lists would show; {PASSWORDS}")
            self.name = _shown(address)
            options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
            self.engine = create_engine(
                address,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    **KEEPALIVES,
                    "application_name": f"ratatouille {os.getpid()}",
                    "options": f"{address.query.get('options', '')} {options}",
                },
                pool_size=CONNECTIONS,
                max_overflow=0,
                pool_timeout=BUSY_SECONDS,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
            )
        except (ArgumentError, ValueError) as error:
            raise Refusal(f"{url!r} is no address of a database; write postgresql://user@host:port/name") from error
        except ModuleNotFoundError as error:
            raise Refusal(
                "PostgreSQL needs psycopg, which is not installed; pip install 'model-ratatouille[postgresql]'"
            ) from error
        refuse_unstorable(self.engine)

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
            connection.execute(_TAKE_LOCK, {"key": WRITING, "held": str(int(HELD_SECONDS * 1000))})
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

    def check_new(self) -> None:
        """A database in another encoding has no place for some characters."""
        with self.reading() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise Refusal(f"{self.name} keeps texts as {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0")

    def meaning(self, error: DBAPIError) -> Refusal | None:
        """A server that is not there or full may pass; what its administrator must change does not."""
        reason, code = first_line(error), getattr(error.orig, "sqlstate", None)
        if code is None:  # no statement was refused: the connection was not made, or broke
            if any(words in reason for words in REFUSED):
                return Refusal(f"the database {self.name} lets nobody in like this: {reason}; {PASSWORDS}")
            if "does not exist" in reason:
                return Refusal(f"{reason} (of {self.name}); make it with CREATE ROLE or CREATE DATABASE")
            return Unreachable(f"no database answers at {self.name}: {reason}")
        if code in READ_ONLY:
            return Refusal(f"{self.name} may only be read by this user or on this server: {reason}")
        if code[:2] in PASSING or code in PASSING:
            return Unreachable(f"{self.name} does not answer: {reason}; try again")
        return None

    def close(self) -> None:
        """Close all connections, those in use when they come back."""
        close_all(self.engine)


def _shown(address: URL) -> str:
    """An address for messages: without secrets, and without what only the driver needs to know."""
    query = {key: value for key, value in address.query.items() if key in ("host", "port")}
    place = {"host": address.host, "port": address.port, "database": address.database}
    return URL.create("postgresql", address.username, **place, query=query).render_as_string()  # type: ignore[arg-type]


def _lock(connection: Connection, function: str, key: int) -> None:
    connection.execute(text(f"SELECT {function}(:key)"), {"key": key})
