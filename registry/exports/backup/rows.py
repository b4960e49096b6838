"""Tables as JSON lines, and back: streamed, so memory grows with neither; equal from SQLite and from PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from ratatouille.errors import Refusal
from ratatouille.folders import sync
from ratatouille.record import canonical_json
from registry.exports.backup.folder import TABLES, TableFile
from registry.exports.content import write_lines
from registry.lists import chunks
from registry.schema import SessionRow, SettingRow, UploadRow, metadata
from registry.settings import ANNOUNCED

AT_ONCE = 500
"""Rows in one exchange with the database."""
LONGEST_LINE = 64 * 2**20
PASSING = frozenset({UploadRow.__tablename__, SessionRow.__tablename__})
"""Tables about transfers under way on this machine and open sessions, which a backup leaves out."""
Value = str | int | float | bool | None


def write_tables(connection: Connection, folder: Path) -> list[TableFile]:
    """Write all tables as one transaction sees them; files that are there already are not written again."""
    (folder / TABLES).mkdir(exist_ok=True, mode=0o700)
    made = [_write(connection, table, folder) for table in metadata.sorted_tables if table.name not in PASSING]
    sync(folder / TABLES)
    return made


def remove_others(folder: Path, tables: tuple[TableFile, ...]) -> None:
    """Remove the files of earlier backups."""
    for path in (folder / TABLES).iterdir():
        if path.name not in {table.path.name for table in tables}:
            path.unlink()


def check_files(folder: Path, tables: tuple[TableFile, ...]) -> None:
    """Refuse a backup whose files are not what its manifest says.

    Raises:
        Refusal: naming the first that is not.
    """
    for table in tables:
        path = folder / table.path
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            raise Refusal(f"'{path}' is missing; the backup is not whole") from None
        if found != table.sha256:
            raise Refusal(f"'{path}' is damaged: it hashes to {found[:12]}…; use another backup")


def read_tables(connection: Connection, folder: Path, tables: tuple[TableFile, ...]) -> None:
    """Fill empty tables; the database may be of an earlier schema, whose tables are looked up in it.

    Raises:
        Refusal: for a table or a row that the database does not take.
    """
    known = MetaData()
    known.reflect(connection)
    files = {file.table: file for file in tables}
    if strange := files.keys() - known.tables.keys():
        raise Refusal(f"the backup has a table {min(strange)}, which its schema does not have")
    for table in known.sorted_tables:
        if table.name in files:
            for rows in chunks(_rows(folder / files[table.name].path, set(table.columns.keys())), AT_ONCE):
                try:
                    connection.execute(insert(table), rows)
                except DBAPIError:
                    raise  # it is said for the database, which may also be away
                except StatementError as error:
                    raise Refusal(
                        f"the backup has a row of {table.name} that no database takes: {error.orig}"
                    ) from error
            _count_on(connection, table)


def _write(connection: Connection, table: Table, folder: Path) -> TableFile:
    incoming = folder / TABLES / f"{table.name}.incoming"
    rows = connection.execute(_query(table), execution_options={"yield_per": AT_ONCE}).mappings()
    written = write_lines(incoming, (canonical_json(dict(row)) for row in rows))
    made = TableFile(table=table.name, sha256=written.sha256, size=written.size, rows=written.lines)
    incoming.rename(folder / made.path)
    return made


def _query(table: Table) -> Select[Any]:
    query = select(table).order_by(*table.primary_key)
    if table.name == SettingRow.__tablename__:  # where nodes join is true while this coordinator is up
        query = query.where(table.c.name.not_in(ANNOUNCED))
    return query


def read_rows(path: Path) -> Iterator[dict[str, Value]]:
    """The rows of a table's file; an empty one for what is no row.

    Raises:
        Refusal: for a line that is no JSON.
    """
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise Refusal(f"line {number} of '{path}' is no JSON ({error})") from error
            yield row if isinstance(row, dict) and all(isinstance(value, Value) for value in row.values()) else {}


def _rows(path: Path, columns: set[str]) -> Iterator[dict[str, Value]]:
    for number, row in enumerate(read_rows(path), start=1):
        if row.keys() != columns:
            raise Refusal(f"line {number} of '{path}' has other columns than {', '.join(sorted(columns))}")
        yield row


def _count_on(connection: Connection, table: Table) -> None:
    """Let the next number follow the last one; SQLite looks by itself."""
    if connection.dialect.name == "postgresql" and "number" in table.c:
        last = connection.execute(select(func.max(table.c.number))).scalar()
        if last is not None:
            sequence = text("SELECT setval(pg_get_serial_sequence(:name, 'number'), :last)")
            connection.execute(sequence, {"name": table.name, "last": last})
