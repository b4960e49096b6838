"""Database engines: SQLite for one machine, PostgreSQL for more. `open_engine` chooses one and opens it."""

from __future__ import annotations

from pathlib import Path

from ratatouille.errors import Refusal
from registry.engines.engine import DatabaseEngine


def open_engine(url: str | Path, migrations: str | None = None) -> DatabaseEngine:
    """The engine for a URL.

    Args:
        url: `postgresql://user@host:port/name`, or the path of a SQLite file.
        migrations: the address of the PostgreSQL server itself, where `url` is that of a pooler before it.

    Raises:
        Refusal: for another address, a password in it, or a driver that is not installed.
    """
    text = str(url)
    # each branch imports what it needs: nobody should need PostgreSQL's driver for a file
    if isinstance(url, str) and "://" in text:
        kind = text.partition("://")[0]
        if kind not in ("postgresql", "postgres"):
            raise Refusal(f"{kind!r} is no database; use postgresql://user@host/name, or a folder")
        from registry.engines.postgresql import PostgresqlEngine

        return PostgresqlEngine(text, migrations)
    from registry.engines.sqlite import SqliteEngine

    return SqliteEngine(Path(url))
