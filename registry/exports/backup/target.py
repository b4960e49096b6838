"""The database that a backup is put into: empty, and of the schema that the backup has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.exc import DBAPIError

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import UPGRADE
from registry.engines import DatabaseEngine, first_line, open_engine
from registry.migrations import REVISIONS, upgrade
from registry.schema import metadata

_MARK = "alembic_version"


@contextmanager
def empty_database(url: str | Path, revision: str) -> Iterator[DatabaseEngine]:
    """Open a database and make its tables as a revision has them, if they are not there and empty.

    Raises:
        Refusal: when it is not empty, or the revision is of newer software.
        Unreachable: when the server does not answer.
    """
    if revision not in REVISIONS:
        raise Refusal(f"the backup is by newer software (schema {revision}); upgrade yours: {UPGRADE}")
    engine = open_engine(url)
    try:
        with engine.migrating():
            if not _is_prepared(engine, revision):
                engine.check_new()
                upgrade(engine.engine, revision)
        yield engine
    except DBAPIError as error:
        why = f"{engine.name} does not take the backup: {first_line(error)}"
        raise (engine.meaning(error) or Refusal(why)) from error
    finally:
        engine.close()


def _is_prepared(engine: DatabaseEngine, revision: str) -> bool:
    with engine.reading() as connection:
        there = set(inspect(connection).get_table_names())
        if _MARK not in there:
            if taken := there & metadata.tables.keys():
                raise Refusal(f"{engine.name} has a table {min(taken)} that is not a registry's; name another database")
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        full = _first_full(connection)
        if full is not None or found != revision:
            what = f"table {full}" if full is not None else f"schema {found}"
            raise Refusal(
                f"{engine.name} holds a registry already ({what}); a backup is restored into an empty one: "
                "name another folder or database"
            )
        return True


def _first_full(connection: Connection) -> str | None:
    known = MetaData()
    known.reflect(connection)
    for table in known.sorted_tables:
        if table.name != _MARK and connection.execute(select(table).limit(1)).first() is not None:
            return str(table.name)
    return None
