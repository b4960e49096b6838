"""Migrations: steps that bring a database of any earlier version to the current schema when a registry is opened.

Alembic runs them; there is no alembic.ini, since nothing has to be configured. A new step:
`python -m registry.migrations MESSAGE` compares `registry.schema` with the steps so far and writes the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

FOLDER = Path(__file__).parent


def configuration() -> Config:
    """Where Alembic finds the steps."""
    config = Config()
    # a percent sign would start an interpolation
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


SCRIPTS = ScriptDirectory.from_config(configuration())
REVISIONS = frozenset(script.revision for script in SCRIPTS.walk_revisions())


def upgrade(engine: Engine, to: str = "head") -> None:
    """Apply the missing steps, up to a revision, all in one transaction.

    On SQLite it takes the write lock when it begins: a writer that comes between its first read and its first write
    would make it fail. On PostgreSQL the caller holds the lock.
    """
    config = configuration()
    with engine.connect().execution_options(writing=True) as connection, rebuilding(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, to)


class BrokenReference(Exception):
    """A row refers to one that is not there; nothing was changed."""


@contextmanager
def rebuilding(connection: Connection) -> Iterator[None]:
    """A transaction in which SQLite's tables may be made anew: a column with a reference is added by copying its table.

    Dropping the old table would empty it first, and break what refers to it; so references are off, and checked after.
    """
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.connection.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            yield
            if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                raise BrokenReference(f"row {broken[1]} of {broken[0]} refers to one of {broken[2]} that is not there")
    finally:
        if sqlite:
            connection.connection.execute("PRAGMA foreign_keys=ON")
