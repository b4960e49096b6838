from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.database import Database
from tests.registry.postgresql_server import PostgresqlServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where a new database would be, on each kind."""
    if request.param == "sqlite":
        return tmp_path / "registry.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new()


@pytest.fixture
def database(url: str | Path) -> Iterator[Database]:
    """A new database of each kind."""
    database = Database(url)
    yield database
    database.close()
