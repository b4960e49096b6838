"""A real PgBouncer before the server: every promise holds through it, in session and in transaction mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import make_url, text

from ratatouille.errors import Misconfigured, Unreachable
from registry.database import Database
from registry.engines.postgresql import PostgresqlEngine
from tests.registry.engines.test_engines import get, put
from tests.registry.pgbouncer import Mode, PgBouncer
from tests.registry.postgresql_server import PostgresqlServer


@pytest.fixture(params=["session", "transaction"])
def pgbouncer(request: pytest.FixtureRequest, pgbouncers: dict[Mode, PgBouncer]) -> PgBouncer:
    return pgbouncers[request.param]


@pytest.fixture
def direct(postgresql: PostgresqlServer) -> str:
    """The server's own address of an empty database."""
    return postgresql.new()


@pytest.fixture
def pooled(pgbouncer: PgBouncer, direct: str) -> Iterator[Database]:
    """The same database through the pooler."""
    database = Database(pgbouncer.url(direct), direct)
    yield database
    database.close()


def test_the_transaction_that_commits_is_synchronous_whatever_the_servers_default(
    postgresql: PostgresqlServer, pgbouncer: PgBouncer, direct: str
) -> None:
    postgresql.run(f"ALTER DATABASE {make_url(direct).database} SET synchronous_commit = off")
    database = Database(pgbouncer.url(direct), direct)
    with database.write() as connection:
        put(connection, "1")
        shown = [
            connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout")
        ]
    assert shown == ["on", "1min", "10min"]
    database.close()


def test_nothing_that_a_transaction_sets_outlives_it(
    postgresql: PostgresqlServer, pgbouncer: PgBouncer, direct: str
) -> None:
    postgresql.run(f"ALTER DATABASE {make_url(direct).database} SET synchronous_commit = off")
    database = Database(pgbouncer.url(direct), direct)
    for _ in range(8):  # more than enough for a server-side prepared statement
        with database.write() as connection:
            put(connection, "1")
        with database.read() as connection:
            assert get(connection) == "1"
    engine = PostgresqlEngine(pgbouncer.url(direct))
    raw = engine.engine.raw_connection()
    driver: Any = raw.driver_connection
    name = make_url(direct).database
    views = (
        "pg_prepared_statements",
        f"pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = '{name}'",
    )
    counts = [driver.execute(f"SELECT count(*) FROM {view}").fetchone() for view in views]
    shown = driver.execute("SHOW synchronous_commit").fetchone()
    raw.close()
    engine.close()
    database.close()
    assert (counts, shown) == ([(0,), (0,)], ("off",))


def test_tables_are_made_through_the_servers_own_address_only(pgbouncer: PgBouncer, direct: str) -> None:
    url = pgbouncer.url(direct)
    with pytest.raises(
        Misconfigured, match=r'is a pooler.*write migrations = "postgresql://…" with the address of the'
    ):
        Database(url)
    with pytest.raises(Misconfigured, match="is a pooler"):
        Database(url, url)
    Database(url, direct).close()
    Database(url).close()  # nothing is left to be made


def test_another_database_for_migrations_is_noticed(
    postgresql: PostgresqlServer, pgbouncer: PgBouncer, direct: str
) -> None:
    with pytest.raises(Misconfigured, match="migrations names another database than postgresql://"):
        Database(pgbouncer.url(direct), postgresql.new())


def test_options_in_the_address_are_refused_once_and_for_all(pgbouncer: PgBouncer, direct: str) -> None:
    url = make_url(pgbouncer.url(direct)).update_query_dict({"options": "-c work_mem=8MB"}).render_as_string()
    with pytest.raises(Misconfigured, match=r"does not take a parameter of its address: unsupported startup parameter"):
        Database(url, direct)


@pytest.mark.parametrize(
    ("user", "database", "sentence"),
    [
        ("stranger", None, "lets nobody in like this"),
        ("absent", None, r'role "absent" does not exist .*CREATE ROLE'),
        ("postgres", "nowhere", r'database "nowhere" does not exist .*CREATE DATABASE'),
    ],
)
def test_a_permanent_refusal_is_not_one_that_passes(
    pgbouncer: PgBouncer, direct: str, user: str, database: str | None, sentence: str
) -> None:
    url = make_url(pgbouncer.url(direct, user))
    with pytest.raises(Misconfigured, match=sentence):
        Database(url.set(database=database or url.database).render_as_string(), direct)


def test_a_pooler_that_waits_for_its_server_passes(postgresql: PostgresqlServer, direct: str) -> None:
    small = PgBouncer(postgresql, "transaction", default_pool_size=1, query_wait_timeout=1)
    try:
        url = small.url(direct)
        first, second = Database(url, direct), Database(url, direct)
        with first.write(), pytest.raises(Unreachable, match=r"query_wait_timeout; try again"), second.write():
            pass
        with second.write() as connection:
            put(connection, "1")
        first.close()
        second.close()
    finally:
        small.stop()
