"""A real PostgreSQL server, and what goes wrong with one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select, text

from ratatouille.errors import Misconfigured, Refusal, Unreachable
from registry.database import Database
from registry.opening import open_registry
from registry.schema import SettingRow
from registry.server import RegistryServer
from tests.registry.postgresql_server import PostgresqlServer


def names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(SettingRow.name)).scalars())


def put(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(SettingRow).values(name=name, value="1"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://anna:secret@127.0.0.1/db",
        "postgresql://anna@127.0.0.1/db?password=secret",
        "postgresql://anna@127.0.0.1/db?sslpassword=secret",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Refusal, match=r"must not hold a password.*pgpass") as caught:
        Database(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://a@host:port/db", "mysql://a@b/c"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match=r"is no address of a database|is no database"):
        Database(url)


def test_nobody_there_may_be_there_later() -> None:
    with pytest.raises(Unreachable, match=r"no database answers at postgresql://anna@127\.0\.0\.1:1/db.*refused"):
        Database("postgresql://anna@127.0.0.1:1/db")


def test_a_wrong_password_is_said_with_where_it_belongs(
    postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = str(make_url(postgresql.new()).database)
    postgresql.run(f"CREATE ROLE locked LOGIN PASSWORD 'right'; ALTER DATABASE {name} OWNER TO locked")
    postgresql.require_password("locked")
    url = postgresql.url(name, "locked")
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match=r"no password supplied; put it into ~/\.pgpass, \$PGPASSWORD") as caught:
        Database(url)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(Misconfigured, match=r"password authentication failed .*; put it into ~/\.pgpass") as caught:
        Database(url)
    assert "wrong" not in str(caught.value)
    monkeypatch.delenv("PGPASSWORD")
    (tmp_path / "pass").write_text(f"*:*:{name}:locked:right\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    Database(url).close()


def test_a_database_or_user_that_is_not_there_is_named(postgresql: PostgresqlServer) -> None:
    with pytest.raises(Misconfigured, match=r'database "nowhere" does not exist.*CREATE DATABASE'):
        Database(postgresql.url("nowhere"))
    with pytest.raises(Misconfigured, match=r'role "nobody" does not exist.*CREATE ROLE'):
        Database(postgresql.url("postgres", "nobody"))


@pytest.mark.parametrize("name", ["with space", "quote'\"s", "percent%41", "a/b?c=d&e#f", "@:", "ü – 🐀", "UPPER"])
def test_a_database_may_have_any_name(postgresql: PostgresqlServer, name: str) -> None:
    database = Database(postgresql.new(name=name))
    put(database, "one")
    with database.read() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar_one() == name
    database.close()


def test_a_database_that_would_lose_characters_is_refused(postgresql: PostgresqlServer) -> None:
    url = postgresql.new(options="ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(Refusal, match=r"keeps texts as LATIN1; make one with ENCODING 'UTF8'"):
        Database(url)


def test_who_may_only_read_reads(postgresql: PostgresqlServer) -> None:
    url = postgresql.new()
    database = Database(url)
    put(database, "one")
    name = str(make_url(url).database)
    postgresql.run("CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader")
    reader = Database(postgresql.url(name, "reader"))
    assert names(reader) == ["one"]
    with pytest.raises(Misconfigured, match=r"postgresql://reader@.* may only be read by this user"):
        put(reader, "two")
    reader.close()
    postgresql.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    frozen = Database(url)
    assert names(frozen) == ["one"]
    with pytest.raises(Misconfigured, match="may only be read"):
        put(frozen, "two")
    frozen.close()
    database.close()


def test_a_user_without_rights_cannot_make_the_tables(postgresql: PostgresqlServer) -> None:
    postgresql.run("CREATE ROLE guest LOGIN")
    name = str(make_url(postgresql.new()).database)
    with pytest.raises(Misconfigured, match=r"may only be read by this user.*permission denied for schema public"):
        Database(postgresql.url(name, "guest"))


def test_a_cut_connection_is_said_and_the_next_one_is_made(postgresql: PostgresqlServer) -> None:
    url = postgresql.new()
    database = Database(url)
    put(database, "one")
    postgresql.cut(url)
    assert names(database) == ["one"]

    def cut_in_the_middle() -> None:
        with database.write() as connection:
            connection.execute(insert(SettingRow).values(name="two", value="1"))
            postgresql.cut(url)

    with pytest.raises(Unreachable, match=r"no database answers at|does not answer"):
        cut_in_the_middle()
    assert names(database) == ["one"]
    put(database, "two")
    database.close()


def test_a_writer_whose_connection_is_cut_gives_the_lock_free(postgresql: PostgresqlServer) -> None:
    url = postgresql.new()
    first, second = Database(url), Database(url)
    held = threading.Event()

    def hold() -> None:
        with first.write() as connection:
            held.set()
            connection.execute(text("SELECT pg_sleep(60)"))

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        held.wait()
        postgresql.cut(url)
        put(second, "one")
        assert isinstance(holder.exception(), Unreachable)
    assert names(first) == ["one"]
    first.close()
    second.close()


def test_a_server_that_restarts_is_missed_and_found_again(own_server: PostgresqlServer) -> None:
    database = Database(own_server.new())
    put(database, "one")
    own_server.pause()
    for ask in (lambda: names(database), lambda: put(database, "lost")):
        with pytest.raises(Unreachable, match="no database answers at"):
            ask()
    own_server.resume()
    assert names(database) == ["one"]
    put(database, "two")
    assert sorted(names(database)) == ["one", "two"]
    database.close()


def test_a_service_says_that_its_database_is_away_and_goes_on_when_it_is_back(
    own_server: PostgresqlServer, tmp_path: Path
) -> None:
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "registry.toml").write_text(f'database = "{own_server.new()}"')
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        registry.rounds.note("one", "note", "subject", "before")
        watched = registry.rounds.watch(0)
        assert next(watched).text == "before"
        own_server.pause()
        for ask in (
            registry.info,
            registry.rounds.rounds,
            lambda: registry.rounds.note("one", "note", "", ""),
            lambda: next(watched),
        ):
            with pytest.raises(Unreachable, match=r"no database answers at postgresql://|does not answer"):
                ask()
        with pytest.raises(Unreachable, match="no database answers at postgresql://"):
            RegistryServer(tmp_path / "registry")
        own_server.resume()
        registry.rounds.note("one", "note", "subject", "after")
        assert [event.text for event in islice(registry.rounds.watch(0), 2)] == ["before", "after"]
    service.stop(grace=1)


def test_a_full_server_is_said_and_found_again(own_server: PostgresqlServer) -> None:
    url = own_server.new()
    own_server.run("ALTER SYSTEM SET max_connections = 6")
    own_server.run("ALTER SYSTEM SET superuser_reserved_connections = 0")
    own_server.run("CREATE ROLE one LOGIN; GRANT ALL ON DATABASE " + str(make_url(url).database) + " TO one")
    own_server.run("ALTER SYSTEM SET autovacuum = off")
    own_server.pause()
    own_server.resume()
    first = Database(url)
    together, full = threading.Barrier(12), []

    def read() -> None:
        together.wait()
        try:
            with first.read() as connection:
                connection.execute(text("SELECT pg_sleep(0.5)"))
        except Unreachable as error:
            full.append(str(error))

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert full
    assert all("too many clients" in one or "remaining connection slots" in one for one in full)
    assert names(first) == []
    first.close()


def test_an_acknowledged_write_is_on_the_disk_and_the_servers_own_options_hold(postgresql: PostgresqlServer) -> None:
    url = make_url(postgresql.new())
    database = Database(url.update_query_dict({"options": "-c work_mem=8MB"}).render_as_string())
    names = ("synchronous_commit", "work_mem", "transaction_isolation", "transaction_read_only")
    with database.read() as connection:
        reading = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    with database.write() as connection:
        writing = [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert reading == ["on", "8MB", "repeatable read", "on"]
    assert writing == ["on", "8MB", "read committed", "off"]
    database.close()


def test_a_service_whose_database_refuses_for_good_says_so_and_nobody_tries_again(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql.new()
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "registry.toml").write_text(f'database = "{url}"')
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        registry.rounds.note("one", "note", "subject", "before")
        postgresql.run(f"ALTER DATABASE {make_url(url).database} SET default_transaction_read_only = on")
        postgresql.cut(url)
        with pytest.raises(Misconfigured, match="may only be read by this user or on this server"):
            registry.rounds.note("one", "note", "subject", "after")
        assert next(registry.rounds.watch(0)).text == "before"
    service.stop(grace=1)
