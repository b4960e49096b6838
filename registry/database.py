"""The database of a registry: how it is opened, migrated, read and written. One URL decides which one it is.

`read` sees one state of the database, also while others write. `write` holds the one write lock from its beginning, so
a writer may look first and write then, and no other writer comes between. `engines` says how SQLite and PostgreSQL do
that. Several processes may have the same database open; migrations run under a lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Executable,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from ratatouille.errors import UPGRADE, Misconfigured, Refusal, Unreachable
from registry.engines import first_line, open_engine
from registry.schema import Base, metadata

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

HEAD = "0003"
"""The revision of the migrations that this code was written for; a test compares."""
_MARK = "contributions"
"""A table that every revision has; other programs may have revisions of the same name."""


class Database:
    """Read and write transactions on one database."""

    def __init__(self, url: str | Path, migrations: str | None = None) -> None:
        """Open the database, make its tables if need be, and bring them up to date.

        Args:
            url: `postgresql://…`, or the path of a SQLite file.
            migrations: the address of the PostgreSQL server itself, where `url` is that of a pooler before it.

        Raises:
            Refusal: for a database of something else, or one that newer software has migrated.
            Misconfigured: for a file that is no database, or one that this user may not use.
            Unreachable: when a server does not answer.
        """
        self._engine = open_engine(url, migrations)
        self.name = self._engine.name
        """The database without its password, for messages."""
        try:
            if not (self._engine.looks_before_locking and self._revision() == HEAD and _MARK in self._tables()):
                with self._engine.migrating() as engine:
                    self._migrate(engine)
                if self._revision() != HEAD:
                    raise Misconfigured(f"migrations names another database than {self.name}; correct registry.toml")
        except DBAPIError as error:
            self.close()
            why = f"{self.name} cannot be used as a registry's database: {first_line(error)}"
            raise (self._engine.meaning(error) or Refusal(why)) from error
        except BaseException:
            self.close()
            raise

    @property
    def kind(self) -> str:
        """Kind and version, such as `SQLite 3.45.1`."""
        dialect = self._engine.engine.dialect
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        return f"{names[dialect.name]} {'.'.join(map(str, dialect.server_version_info or ()))}".rstrip()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, also while others write.

        Raises:
            Unreachable: when the server does not answer.
        """
        with self._troubles(), self._engine.reading() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its beginning; it is undone when the block raises.

        Raises:
            Misconfigured: when this user may only read.
            Unreachable: when another process does not give the lock free, or the server does not answer.
        """
        with self._troubles(), self._engine.writing() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.close()

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        """Say what an error of the database means; what means nothing to people is a defect of ours."""
        try:
            yield
        except DBAPIError as error:
            meaning = self._engine.meaning(error)
            if meaning is None:
                raise
            raise meaning from error
        except NoneFree as error:
            raise Unreachable(f"all connections to {self.name} are in use; try again") from error

    def _migrate(self, engine: Engine) -> None:
        found, tables = self._revision(), self._tables()
        if found == HEAD and _MARK in tables:
            return
        if found is None and tables:
            some = ", ".join(sorted(tables)[:3])
            raise Refusal(f"{self.name} holds tables of something else ({some} …); name a database that is empty")
        if found is None:
            self._engine.check_new()
            _create(engine)
            return
        from registry.migrations import REVISIONS, BrokenReference, upgrade  # Alembic is slow to import

        if _MARK not in tables:  # others use Alembic too, with the same numbers
            raise Refusal(f"{self.name} is another program's database; name one that is empty")
        if found not in REVISIONS:
            raise Refusal(f"{self.name} was migrated by newer software (revision {found}); upgrade yours: {UPGRADE}")
        try:
            upgrade(engine)
        except BrokenReference as error:
            raise Refusal(f"{self.name} was not brought up to date: {error}; restore a backup of it") from error

    def _tables(self) -> set[str]:
        with self._engine.reading() as connection:
            return set(inspect(connection).get_table_names())

    def _revision(self) -> str | None:
        with self._engine.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)


def _create(engine: Engine) -> None:
    """Make the tables of a new database at once: those that all migrations together make."""
    version = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        metadata.create_all(connection, checkfirst=False)
        version.create(connection, checkfirst=False)
        connection.execute(insert(version).values(version_num=HEAD))


def upsert(
    connection: Connection,
    table: type[Base],
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    changing: tuple[str, ...] | None = None,
) -> None:
    """Insert rows; where one with the same primary key is there, change it.

    Args:
        connection: a transaction.
        table: whose rows.
        rows: columns by name, the same ones in each.
        changing: what changes in a row that is there; all columns, if not said.
    """
    first = rows if isinstance(rows, Mapping) else rows[0]
    columns = tuple(first) if changing is None else changing
    connection.execute(_statement(connection.dialect.name, table, columns), rows)


@cache
def _statement(dialect: str, table: type[Base], columns: tuple[str, ...]) -> Executable:
    insert: postgresql.Insert | sqlite.Insert
    if dialect == "postgresql":  # imported lazily: SQLite does not need it
        from sqlalchemy.dialects.postgresql import insert as insert_into_postgresql

        insert = insert_into_postgresql(table)
    else:
        from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

        insert = insert_into_sqlite(table)
    key = [column.name for column in inspect(table).primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=changed)
