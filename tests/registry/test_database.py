from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from ratatouille.errors import Misconfigured, Refusal
from registry.database import HEAD, Database
from registry.engines.sqlite import SqliteEngine
from registry.migrations import SCRIPTS, upgrade


def test_the_code_expects_the_last_migration() -> None:
    assert SCRIPTS.get_current_head() == HEAD


def test_a_database_of_newer_software_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Refusal, match="migrated by newer software"):
        Database(path)


@pytest.mark.parametrize("name", ["what?", "half%41", "a b#c"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    Database(tmp_path / name / "registry.db").close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "registry.db").exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Misconfigured, match="cannot be used as a registry's database"):
        Database(tmp_path / "registry.db")


def test_a_lock_that_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "registry.lock").mkdir()
    with pytest.raises(Misconfigured, match=r"registry\.lock cannot be used as the lock of .*: Is a directory"):
        Database(tmp_path / "registry.db")


def test_writes_are_durable_and_foreign_keys_hold(tmp_path: Path) -> None:
    database = Database(tmp_path / "registry.db")
    with database.read() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    database.close()


def test_no_writer_comes_between_the_steps_of_a_migration(tmp_path: Path) -> None:
    """A deferred transaction would fail at its first write when somebody wrote after its first read."""
    database = SqliteEngine(tmp_path / "registry.db")
    upgrade(database.engine, "0001")
    attempts: list[str] = []

    @event.listens_for(database.engine, "after_cursor_execute")
    def _write_between(connection: object, cursor: object, statement: str, *more: object) -> None:
        if attempts or not statement.startswith("SELECT alembic_version"):
            return
        with closing(sqlite3.connect(tmp_path / "registry.db", timeout=0, isolation_level=None)) as other:
            try:
                other.execute("UPDATE alembic_version SET version_num = version_num")
                attempts.append("written")
            except sqlite3.OperationalError as error:
                attempts.append(str(error))

    upgrade(database.engine)
    database.close()
    assert attempts == ["database is locked"]
