"""PostgreSQL: one server, any number of machines. The same guarantees as SQLite's, by other means.

Reads are REPEATABLE READ; a write takes one advisory lock for its transaction, so writers come one after another, and
what a writer has looked at holds until it commits. `synchronous_commit` is on, whatever the server's default: an
acknowledged push survives a power cut.

A pooler such as PgBouncer may stand between: nothing outlives a transaction (settings are SET LOCAL, locks are those of
transactions, nothing is prepared on the server), and no startup options are sent. Only migrations want the server.

Errors are sorted into those that may pass and those that need a change. A refused connection carries no code, only a
text, since the driver gives none. What the server itself said stands behind its severity (`FATAL:  …`); a text of the
server that is not known as passing is taken as permanent, since trying again would not help with most of them. What
only the network says (no answer, a broken line) may pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from ratatouille.errors import Misconfigured, RatatouilleError, Refusal, Unreachable
from registry.engines import BUSY_SECONDS, close_all, refuse_unstorable

WRITING = 0x7261746174  # "ratat"
MIGRATING = WRITING + 1
CONNECT_SECONDS = 10
HELD_SECONDS = 600.0
"""A writer that is silent for so long loses its lock: the others need not wait for a process that hangs."""
CONNECTIONS = 32
"""Of one process at most; a server takes a hundred by default."""
SECRETS = frozenset({"password", "sslpassword"})
KEEPALIVES = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
"""Both sides notice within a minute that the other vanished; the system's default is two hours."""
SETTINGS = {"lock_timeout": int(BUSY_SECONDS * 1000), "synchronous_commit": "on"}
"""Of every transaction, whatever the server's defaults, and whatever a pooler does with startup options."""
LOCKING = {f"tcp_{name}": value for name, value in KEEPALIVES.items()}
"""Of transactions that hold a lock: a process that vanished must not keep it."""
IDLE = "idle_in_transaction_session_timeout"


class PostgresqlEngine:
    """`registry.engines.DatabaseEngine` over a server."""

    looks_before_locking = True

    def __init__(self, url: str, migrations: str | None = None) -> None:
        """Prepare the connections; nothing is opened yet.

        Args:
            url: where the database is; a pooler may stand before it.
            migrations: the server's own address, for migrations, where `url` is a pooler's.

        Raises:
            Refusal: for an address with a password in it, an unusable one, or without the driver.
        """
        self._migrations = migrations
        try:
            address = make_url(url).set(drivername="postgresql+psycopg")
            if address.password or SECRETS & address.query.keys():
                raise Refusal(f"a database's address must not hold a password, which lists would show; {PASSWORDS}")
            self.name = _shown(address)
            self.engine = create_engine(
                address,
                connect_args={
                    "connect_timeout": CONNECT_SECONDS,
                    **KEEPALIVES,
                    "application_name": f"ratatouille {os.getpid()}",
                    "prepare_threshold": None,
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
        _set_each_transaction(self.engine)
        refuse_unstorable(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state."""
        with self.engine.connect().execution_options(only_reads=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the write lock."""
        # READ COMMITTED: what is read after the lock came is what the last writer left
        options: dict[str, Any] = {"isolation_level": "READ COMMITTED", "lock": WRITING}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Engine]:
        """A lock of a transaction of its own; gives the engine that reaches the server itself.

        Raises:
            Misconfigured: when only a pooler is known.
        """
        direct = self if self._migrations is None else PostgresqlEngine(self._migrations)
        try:
            options: dict[str, Any] = {"isolation_level": "READ COMMITTED", "lock": MIGRATING}
            with direct.engine.connect().execution_options(**options) as connection, connection.begin():
                if _is_pooled(connection):
                    raise Misconfigured(
                        f"the tables of {self.name} must be made or brought up to date, and {direct.name} is a pooler, "
                        'such as PgBouncer: write migrations = "postgresql://…" with the address of the server itself '
                        "beside database in registry.toml"
                    )
                yield direct.engine
        finally:
            if direct is not self:
                direct.close()

    def check_new(self) -> None:
        """Refuse a database in another encoding, which lacks some characters."""
        with self.reading() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise Refusal(f"{self.name} keeps texts as {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0")

    def meaning(self, error: DBAPIError) -> RatatouilleError | None:
        """A server that is not there or full may pass; what its administrator must change does not."""
        return meaning(str(error.orig), getattr(error.orig, "sqlstate", None), self.name)

    def close(self) -> None:
        """Close all connections, those in use when they come back."""
        close_all(self.engine)


def _shown(address: URL) -> str:
    """An address for messages: without secrets, and without what only the driver needs to know."""
    query = {key: value for key, value in address.query.items() if key in ("host", "port")}
    place = {"host": address.host, "port": address.port, "database": address.database}
    return URL.create("postgresql", address.username, **place, query=query).render_as_string()  # type: ignore[arg-type]


def _set_each_transaction(engine: Engine) -> None:
    """From now on, every transaction begins with our settings, and with the lock that it is for: one statement."""

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        key = connection.get_execution_options().get("lock")
        settings = SETTINGS if key is None else {**SETTINGS, **LOCKING}
        if key is not None:  # a migration is silent on this connection, however long it takes
            settings = {**settings, IDLE: int(HELD_SECONDS * 1000) if key == WRITING else 0}
        if connection.get_execution_options().get("only_reads"):
            # not by the driver, which would begin later writes as READ WRITE, whatever the server's default
            settings = {**settings, "transaction_read_only": "on"}
        calls = [f"set_config('{name}', '{value}', true)" for name, value in settings.items()]
        if key is not None:
            calls.append(f"pg_advisory_xact_lock({int(key)})")
        connection.exec_driver_sql(f"SELECT {', '.join(calls)}")


def _is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands between: it gives a number of its own for the server's process."""
    own = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    driver: Any = connection.connection.driver_connection
    return bool(driver.info.backend_pid != own)


PASSWORDS = "put it into ~/.pgpass, $PGPASSWORD or $PGPASSFILE"
PASSING_TEXTS = (
    "the database system is",  # starting up, shutting down, in recovery mode, not yet accepting connections
    "too many",
    "remaining connection slots",
    "terminating connection",
    "canceling authentication due to timeout",
    # PgBouncer
    "no more connections allowed",
    "server login has been failing",
    "server conn crashed",
    "cannot connect to server",
    "server connection closed",
    "shutting down",
    "timeout",  # query_wait_timeout, query_timeout, client_idle_timeout …
)
"""What a server or a pooler says of troubles that end by themselves."""
CLIENT_PERMANENT = (
    "no password supplied",
    "certificate",
    "does not support SSL",
    "Permission denied",
    "authentication method requirement",
)
"""What the driver says when it was refused, and only other settings help."""
READ_ONLY = frozenset({"42501", "25006"})
"""Missing privileges; a server or transaction that is read-only."""
PERMANENT = frozenset({"28", "3D", "3F", "08004", "57P04", "XX001", "XX002"})
"""Credentials, no such database or schema, a connection refused on purpose, a dropped database, damaged data."""
PASSING = frozenset({"08", "53", "57", "58", "55P03", "40001", "40P01", "25P03", "25P04"})
"""Classes of errors, and some errors: connection, resources, operator's intervention, the system, locks, time."""
SAID_BY_POOLER = "08P01"
"""The code of PgBouncer's own messages to a connected client."""

_SERVER_SAID = re.compile(r"failed: \S+:  (.+)")


def meaning(said: str, code: str | None, name: str) -> RatatouilleError | None:
    """What an error means for people.

    Args:
        said: its whole text.
        code: its SQLSTATE; None when a connection was not made or broke.
        name: the database, for messages.

    Returns:
        `Unreachable` where the same may work later, `Misconfigured` where a person must change something first, None
        for a defect of ours.
    """
    first = said.strip().partition("\n")[0]
    if code is None:
        reason = next((one for one in _SERVER_SAID.findall(said) if not _passes(one)), None)
        if reason is None and any(words in said for words in CLIENT_PERMANENT):
            reason = next(line for line in said.splitlines() if any(words in line for words in CLIENT_PERMANENT))
        return Unreachable(f"no database answers at {name}: {first}") if reason is None else _permanent(reason, name)
    if code in READ_ONLY:
        return Misconfigured(f"{name} may only be read by this user or on this server: {first}")
    if code == SAID_BY_POOLER and not _passes(first):
        return _permanent(first, name)
    if code[:2] in PERMANENT or code in PERMANENT:
        return _permanent(first, name)
    if code[:2] in PASSING or code in PASSING:
        return Unreachable(f"{name} does not answer: {first}; try again")
    return None


def _passes(said: str) -> bool:
    return any(words in said for words in PASSING_TEXTS)


def _permanent(reason: str, name: str) -> Misconfigured:
    """What must be changed, where that is known."""
    if "does not exist" in reason or "no such" in reason:
        return Misconfigured(f"{reason} (of {name}); make it with CREATE ROLE or CREATE DATABASE")
    if any(words in reason for words in ("authentication failed", "password", "pg_hba.conf")):
        return Misconfigured(f"the database {name} lets nobody in like this: {reason}; {PASSWORDS}")
    if "startup parameter" in reason:
        return Misconfigured(
            f"what answers at {name} does not take a parameter of its address: {reason}; take it out, since poolers "
            "such as PgBouncer refuse it"
        )
    return Misconfigured(f"the database {name} refuses: {reason}; look at its settings, and at its log")
