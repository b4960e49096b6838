"""The Merkle tree over the log: each event has its leaf, and databases of earlier releases get theirs."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from ratatouille.exchange.log_head import entry_data
from ratatouille.exchange.merkle import EMPTY, leaf_hash, node_hash
from registry import leaves
from registry.commands.verify import audit
from registry.database import Database
from registry.ledger.event_log import record_event
from registry.schema import EventRow, LeafRow
from registry.services.local import LocalRegistry
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.stored import FIXTURES, restore

LINES = 12
WRITERS = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    if request.param == "sqlite":
        return tmp_path / "registry.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new()


@pytest.fixture
def database(url: str | Path) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


def direct(hashes: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, over leaves that are hashed already."""
    if len(hashes) < 2:
        return hashes[0] if hashes else EMPTY
    left = 1
    while 2 * left < len(hashes):
        left *= 2
    return node_hash(direct(hashes[:left]), direct(hashes[left:]))


def check(connection: Connection) -> int:
    """Compare all rows with the definition; returns how many leaves there are."""
    rows = connection.execute(
        select(LeafRow, EventRow).join(EventRow, EventRow.number == LeafRow.event).order_by(LeafRow.position)
    )
    found = rows.mappings().all()
    assert [row["position"] for row in found] == list(range(len(found)))
    assert [row["number"] for row in found] == sorted(row["number"] for row in found)
    assert len(found) == len(connection.execute(select(EventRow.number)).all())
    own = [leaf_hash(entry_data(row, row["about"])) for row in found]
    for size in range(len(own) + 1):
        assert leaves.root(connection, size) == direct(own[:size]).hex()
    assert leaves.size(connection) == len(found)
    return len(found)


class Undone(Exception):
    pass


def test_writers_at_once_make_one_tree_without_gaps(database: Database) -> None:
    def write(writer: int) -> None:
        for line in range(LINES):
            if line % 3 == 0:  # an undone transaction uses up a number on PostgreSQL, and no position
                with suppress(Undone), database.write() as connection:
                    record_event(connection, "note", str(writer), "undone")
                    raise Undone
            with database.write() as connection:
                for number in range(1 + line % 2):
                    record_event(connection, "note", str(writer), f"line {line}, {number}", about="0" * 64)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    with database.read() as connection:
        assert check(connection) == WRITERS * LINES * 3 // 2


def test_appending_takes_as_many_statements_however_long_the_log_is(database: Database) -> None:
    from sqlalchemy import event

    counts: list[int] = []
    with database.write() as connection:
        statements: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *call: statements.append(call[2]))
        for _ in range(130):
            statements.clear()
            record_event(connection, "note", "x", "line")
            counts.append(len(statements))
    assert max(counts) == 4  # event, last leaf, the subtrees that it completes, leaf
    assert sum(counts) < 3.5 * len(counts)


def test_a_database_of_an_earlier_release_gets_its_tree(tmp_path: Path) -> None:
    restore(FIXTURES / "schema_0001", tmp_path / "registry")
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        with registry.storage.database.read() as connection:
            before = check(connection)
            assert before > 10
            failure = select(LeafRow.about).join(EventRow, EventRow.number == LeafRow.event)
            blind = connection.execute(failure.where(EventRow.kind == "failure")).scalar()
            assert blind is not None
        registry.rounds.note("later", "note", "x", "the log goes on")
        assert [one for one in audit(registry).of("wrong") if one.stage == "log"] == []
        with registry.storage.database.read() as connection:
            assert check(connection) == before + 1


def test_the_tree_of_a_long_log_is_made_in_little_memory() -> None:
    def events(count: int) -> Iterator[tuple[Mapping[str, Any], str | None]]:
        for number in range(count):
            yield {"number": number, "at": 1.0, "kind": "note", "round": None, "subject": "x", "text": "y" * 100}, None

    list(leaves.leaf_rows(events(10)))
    tracemalloc.start()
    try:
        count = sum(1 for _ in leaves.leaf_rows(events(20_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 200_000


def test_a_row_that_is_missing_makes_no_wrong_hash(database: Database) -> None:
    with database.write() as connection:
        for _ in range(5):
            record_event(connection, "note", "x", "line")
        connection.execute(text("DELETE FROM leaves WHERE position = 3"))
        with pytest.raises(KeyError):
            leaves.root(connection, 5)
        connection.execute(text("UPDATE leaves SET nodes = '' WHERE position = 4"))
        with pytest.raises(KeyError):
            leaves.root(connection, 5)


def test_a_copy_of_the_database_has_the_same_tree(tmp_path: Path) -> None:
    with closing(LocalRegistry(tmp_path / "registry")) as registry:
        registry.rounds.note("one", "note", "x", "line")
    shutil.copytree(tmp_path / "registry", tmp_path / "copy")
    roots = []
    for folder in ("registry", "copy"):
        with closing(LocalRegistry(tmp_path / folder)) as registry, registry.storage.database.read() as connection:
            roots.append(leaves.root(connection, leaves.size(connection)))
    assert roots[0] == roots[1]
