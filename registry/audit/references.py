"""References between tables, all that the schema knows and two that it does not; and SQLite's own look at its file.

A database refuses to break a reference, but a file may be damaged, or written by other hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select
from sqlalchemy.sql.elements import KeyedColumnElement

from ratatouille.errors import Refusal
from registry.audit.look import Batch, checks, findings
from registry.schema import EvaluationRow, VersionRow, metadata
from registry.storage import Storage

MOST_NAMED = 5
"""Broken references of one kind that are named; all are counted."""


def look(storage: Storage, after: str) -> Batch:
    """The next reference."""
    names = sorted(name for name, _ in _references())
    following = next((name for name in names if name > after), None)
    if following is None:
        return Batch(after)
    with storage.database.read() as connection:
        rules = [(name, partial(rule, connection)) for name, rule in _references() if name == following]
        found = findings("references", following, checks(rules))
    return Batch(following, looked=1, findings=found)


def count(connection: Connection) -> int:
    """How many there are."""
    return len(list(_references()))


def _references() -> Iterator[tuple[str, Callable[[Connection], str]]]:
    yield " file", _file
    yield "evaluations.head", _pairs
    yield "versions.replacement", partial(_dangling, VersionRow.__table__.c.replacement, VersionRow.__table__.c.id)
    for table in metadata.sorted_tables:
        for key in table.foreign_keys:
            yield f"{table.name}.{key.parent.name}", partial(_dangling, key.parent, key.column)


def _file(connection: Connection) -> str:
    """Pages, indexes and rows of a SQLite file; a PostgreSQL server looks after its own."""
    if connection.dialect.name != "sqlite":
        return "a server's"
    said = connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_NAMED})").scalars().all()
    if list(said) != ["ok"]:
        raise Refusal("; ".join(said))
    return "ok"


def _dangling(column: KeyedColumnElement[Any], target: KeyedColumnElement[Any], connection: Connection) -> str:
    other = target.table.alias()
    there = exists().where(other.c[target.name] == column)
    return _none(connection, column, and_(column.is_not(None), ~there), f"no {target.table.name} row has {target.name}")


def _pairs(connection: Connection) -> str:
    pair = and_(VersionRow.featurizer == EvaluationRow.featurizer, VersionRow.head == EvaluationRow.head)
    column = EvaluationRow.__table__.c.head
    return _none(connection, column, ~exists().where(pair), "no version has the featurizer and the head")


def _none(connection: Connection, column: KeyedColumnElement[Any], broken: ColumnElement[bool], said: str) -> str:
    count = connection.execute(select(func.count()).select_from(column.table).where(broken)).scalar_one()
    if count:
        named = connection.execute(select(column).where(broken).limit(MOST_NAMED)).scalars()
        raise Refusal(f"{said} {', '.join(str(one)[:12] for one in named)} ({count} broken)")
    return "ok"
