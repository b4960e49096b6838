"""What every kind of database promises."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text, update

from ratatouille.errors import Refusal, Unreachable
from registry.database import HEAD, Database
from registry.engines import open_engine
from registry.engines import postgresql as postgresql_engine
from registry.migrations import upgrade
from registry.schema import SettingRow, metadata
from tests.registry.engines.conftest import Place

MANY = 64
"""Threads of a busy service."""


def put(connection: Connection, value: str, name: str = "counter") -> None:
    if connection.execute(update(SettingRow).where(SettingRow.name == name).values(value=value)).rowcount == 0:
        connection.execute(insert(SettingRow).values(name=name, value=value))


def get(connection: Connection, name: str = "counter") -> str | None:
    return connection.execute(select(SettingRow.value).where(SettingRow.name == name)).scalar()


def tables_of(connection: Connection) -> dict[str, dict[str, object]]:
    """What a database says of each of its tables, in any order."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": {one["name"]: {**one, "type": repr(one["type"])} for one in inspector.get_columns(table)},
            "key": inspector.get_pk_constraint(table),
            "references": sorted(map(str, inspector.get_foreign_keys(table))),
            "indexes": sorted(
                str({**one, "dialect_options": {key: str(value) for key, value in one["dialect_options"].items()}})
                for one in inspector.get_indexes(table)
            ),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "checks": sorted(map(str, inspector.get_check_constraints(table))),
        }
        for table in inspector.get_table_names()
    }


def test_a_new_database_has_the_tables_that_all_migrations_make(place: Place) -> None:
    new = Database(*place)
    with new.read() as connection:
        made = tables_of(connection)
    with new.write() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    new.close()
    engine = open_engine(place[1] or place[0])
    with engine.migrating() as direct:
        upgrade(direct)
    with engine.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert tables_of(connection) == made
    engine.close()


def test_a_reader_sees_one_state_while_others_write(database: Database) -> None:
    with database.write() as connection:
        put(connection, "1")
    with database.read() as reading:
        assert get(reading) == "1"
        with database.write() as writing:
            put(writing, "2")
            put(writing, "new", "other")
        assert (get(reading), get(reading, "other")) == ("1", None)
    with database.read() as connection:
        assert (get(connection), get(connection, "other")) == ("2", "new")


def test_what_a_writer_has_seen_holds_until_it_commits(database: Database) -> None:
    with database.write() as connection:
        put(connection, "0")

    def count(_: int) -> None:
        with database.write() as connection:
            put(connection, str(int(get(connection) or 0) + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    with database.read() as connection:
        assert get(connection) == "80"


def test_what_is_read_after_waiting_for_the_lock_is_what_the_last_writer_left(database: Database) -> None:
    waits = threading.Event()

    def second() -> str | None:
        waits.set()
        with database.write() as connection:
            return get(connection)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            found = pool.submit(second)
            waits.wait()
            put(connection, "first")
        assert found.result(timeout=60) == "first"


def test_a_lock_that_is_not_given_is_said_and_may_be_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.engines.sqlite.BUSY_SECONDS", 0.2)
    monkeypatch.setitem(postgresql_engine.SETTINGS, "lock_timeout", 200)
    database, elsewhere = Database(*place), Database(*place)

    def second(who: Database) -> None:
        with who.write():
            pass

    with database.write():
        with pytest.raises(Unreachable, match=r"(locked by another writer of this process|lock timeout).*try again"):
            second(database)
        with pytest.raises(Unreachable, match=r"(locked by another process|lock timeout).*try again"):
            second(elsewhere)
    for one in (database, elsewhere):
        second(one)
        one.close()


def test_a_connection_that_is_in_use_while_the_database_closes_is_closed_when_it_comes_back(database: Database) -> None:
    with database.read() as connection:
        used = connection.connection.dbapi_connection
        assert used is not None
        database.close()
        assert get(connection) is None  # whoever reads may end
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match=r"closed"):
        used.cursor().execute("SELECT 1")


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            put(connection, "lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as connection:
        assert get(connection) is None


def test_more_threads_than_connections_wait_for_one_another(database: Database) -> None:
    together = threading.Barrier(MANY)

    def one(number: int) -> str | None:
        together.wait()
        with database.write() as connection:
            put(connection, str(number), f"thread {number}")
        with database.read() as connection:
            return get(connection, f"thread {number}")

    with ThreadPoolExecutor(MANY) as pool:
        assert list(pool.map(one, range(MANY))) == [str(number) for number in range(MANY)]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [("a\x00b", "a text holds a NUL character"), ("a\ud800b", "a text holds half a character")],
)
def test_a_text_that_one_kind_could_not_keep_is_refused_by_each(database: Database, value: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence), database.write() as connection:
        put(connection, value)
    with pytest.raises(Refusal, match=sentence), database.read() as connection:
        get(connection, value)
    with pytest.raises(Refusal, match=sentence), database.write() as connection:
        connection.execute(insert(SettingRow), [{"name": "one", "value": "1"}, {"name": "two", "value": value}])
    with database.read() as connection:
        assert connection.execute(select(SettingRow.name)).all() == []


def test_a_number_that_no_column_holds_is_refused(database: Database) -> None:
    with pytest.raises(Refusal, match="more than 64 bits"), database.read() as connection:
        connection.execute(text("SELECT 1 WHERE 1 < :number"), {"number": 2**63})


def test_every_other_text_comes_back_as_it_was(database: Database) -> None:
    texts = ["", "Ω – 🐀", "'; DROP TABLE settings; --", "100 % :name ?", "\x01\x1f\x7f\u200b\ufffe", "a" * 100_000]
    with database.write() as connection:
        for number, value in enumerate(texts):
            put(connection, value, str(number))
    with database.read() as connection:
        assert [get(connection, str(number)) for number in range(len(texts))] == texts


def test_tables_of_something_else_are_left_alone(database: Database, place: Place) -> None:
    with database.write() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    database.close()
    with pytest.raises(Refusal, match=r"holds tables of something else \(aliases, .* name a database that is empty"):
        Database(*place)


def test_another_programs_migrations_are_not_ours(database: Database, place: Place) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ab12cd34'"))
    with pytest.raises(Refusal, match=r"migrated by newer software \(revision ab12cd34\).*pip install --upgrade"):
        Database(*place)
    with database.write() as connection:
        connection.execute(text("ALTER TABLE contributions RENAME TO contributions_of_something"))
    with pytest.raises(Refusal, match=r"is another program's database; name one that is empty"):
        Database(*place)
    with database.write() as connection:  # numbers of migrations are often the same
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
    database.close()
    with pytest.raises(Refusal, match=r"is another program's database; name one that is empty"):
        Database(*place)


def test_processes_that_open_an_empty_database_at_once_migrate_it_once(place: Place) -> None:
    code = (
        "import sys; from pathlib import Path; from registry.database import Database; "
        "Database(sys.argv[1] if '://' in sys.argv[1] else Path(sys.argv[1]), *sys.argv[2:]).close()"
    )
    command = [sys.executable, "-c", code, *(str(one) for one in place if one is not None)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    database = Database(*place)
    with database.read() as connection:
        assert len(connection.execute(text("SELECT * FROM alembic_version")).all()) == 1
    database.close()
