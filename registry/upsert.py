"""Rows that are written whether or not they are there: one statement, built once, for each kind of database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable, inspect

from registry.schema import Base

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


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
    if dialect == "postgresql":  # which takes time to import, and who has a file does without
        from sqlalchemy.dialects.postgresql import insert as insert_into_postgresql

        insert = insert_into_postgresql(table)
    else:
        from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

        insert = insert_into_sqlite(table)
    key = [column.name for column in inspect(table).primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=changed)
