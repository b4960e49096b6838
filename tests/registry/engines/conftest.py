from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.database import Database
from tests.registry.pgbouncer import PgBouncer
from tests.registry.postgresql_server import PostgresqlServer

Place = tuple[str | Path, str | None]
"""Where a database is, and the server's own address for migrations."""


@pytest.fixture(params=["sqlite", "postgresql", "PgBouncer, session", "PgBouncer, transaction"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a new database would be, on each kind."""
    if request.param == "sqlite":
        return tmp_path / "registry.db", None
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    url = server.new()
    if request.param == "postgresql":
        return url, None
    pgbouncer: PgBouncer = request.getfixturevalue("pgbouncers")[request.param.split()[-1]]
    return pgbouncer.url(url), url


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    """A new database of each kind."""
    database = Database(*place)
    yield database
    database.close()
