"""What released software wrote is read for ever: its databases are migrated, its records parsed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from pydantic_core import from_json
from sqlalchemy import MetaData, create_engine, make_url, select, text

from ratatouille.errors import Refusal
from ratatouille.exchange.membership import Lease, Offer
from ratatouille.exchange.order import Hint, Introduction, Order
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.exchange.version import Combination
from ratatouille.recipes.round import Round
from ratatouille.record import Record, canonical_json, sha256
from registry.migrations import configuration
from registry.records import RoundRecord
from registry.schema import ScoreRow
from registry.scores import counted
from registry.services.local import LocalRegistry
from registry.storage_config import DATABASE, FILE
from registry.transport.wire import CALLS
from tests.registry.postgresql_server import PostgresqlServer
from tests.registry.stored import FIXTURES, answers, keep, make, restore

RELEASED = sorted(FIXTURES.glob("schema_*"))
SENT: dict[str, type[Record]] = {
    one.__name__: one for one in (Order, Hint, Lease, Combination, RoundRecord, Round, Offer, Receipt, Introduction)
}


@pytest.fixture(scope="module")
def this_software(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fixture = tmp_path_factory.mktemp("this_software") / "schema_next"
    make(fixture)
    return fixture


@pytest.fixture(params=[*RELEASED, None], ids=lambda one: one.name if one else "this_software")
def fixture(request: pytest.FixtureRequest) -> Path:
    return request.param or Path(request.getfixturevalue("this_software"))


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, fixture: Path, tmp_path: Path) -> Iterator[LocalRegistry]:
    """The fixture's registry, migrated by opening it."""
    folder = tmp_path / "registry"
    restore(fixture, folder)
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        (folder / FILE).write_text(f'database = "{loaded(folder / DATABASE, server)}"')
        (folder / DATABASE).unlink()
    with closing(LocalRegistry(folder)) as registry:
        yield registry


def loaded(database: Path, server: PostgresqlServer) -> str:
    """A PostgreSQL database with the tables of a SQLite file's revision and its rows."""
    url = server.new()
    old, new = create_engine(f"sqlite:///{database}"), create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    tables = MetaData()
    with old.connect() as reading, new.begin() as writing:
        tables.reflect(reading)
        config = configuration()
        config.attributes["connection"] = writing
        command.upgrade(config, reading.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
        target = MetaData()
        target.reflect(writing)
        for table in target.sorted_tables:
            rows = [dict(row) for row in reading.execute(select(tables.tables[table.name])).mappings()]
            if rows and table.name != "alembic_version":
                writing.execute(table.insert(), rows)
            if "number" in table.c and rows:
                last = max(row["number"] for row in rows)
                writing.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'number'), {last})"))
    old.dispose()
    new.dispose()
    return url


def within(before: Any, now: Any) -> bool:
    """Whether everything that was said before is said now; records may have got more fields since."""
    if isinstance(before, dict):
        return isinstance(now, dict) and all(key in now and within(before[key], now[key]) for key in before)
    if isinstance(before, list):
        return isinstance(now, list) and len(before) == len(now) and all(map(within, before, now))
    return bool(before == now)


def test_there_is_a_fixture_of_each_released_schema() -> None:
    assert [path.name for path in RELEASED] == ["schema_0001"]


def test_a_stored_registry_says_what_it_said_when_it_was_written(fixture: Path, opened: LocalRegistry) -> None:
    said = json.loads((fixture / "answers.json").read_text())
    now = answers(opened)
    for before, after in zip(said.pop("verify"), now["verify"], strict=True):  # by more checks than before
        assert {check["what"] for check in before["checks"]} <= {check["what"] for check in after["checks"]}
    for name, answer in said.items():
        assert within(answer, now[name]), name
    assert all(check["ok"] for version in now["verify"] for check in version["checks"])


def test_new_columns_of_a_stored_registry_are_filled(opened: LocalRegistry) -> None:
    moves = opened.releases.alias_history("stable")
    assert [*[move.version for move in moves][1:], None] == [move.before for move in moves]
    assert [move.message for move in moves] == ["back", "better", "the first"]
    with opened.storage.database.read() as connection:
        rows = connection.execute(text("SELECT receipt, node FROM versions")).all()
        signed = connection.execute(text("SELECT receipt, node FROM contributions")).all()
    signers = {row.receipt: row.node for row in signed}
    assert [signers.get(row.receipt) for row in rows] == [row.node for row in rows]
    assert len({row.node for row in rows}) == 2  # the node that worked, and none where the registry did


def test_scores_that_were_sums_of_floats_are_made_again_exactly(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    restore(RELEASED[0], folder)
    engine = create_engine(f"sqlite:///{folder / DATABASE}")
    with engine.begin() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for metric in ("accuracy", "balanced_accuracy"):  # a last bit
            noise = text(f"UPDATE scores SET {metric} = {metric} * (1 + 3e-16)")
            assert connection.execute(noise).rowcount > 0
    engine.dispose()
    with closing(LocalRegistry(folder)) as registry, registry.storage.database.read() as connection:
        rows = [dict(row) for row in connection.execute(select(ScoreRow.__table__)).mappings()]
        pairs = {(row["featurizer"], row["head"]) for row in rows}
        right = [row for one, two in pairs for row in counted(connection, {"featurizer": one, "head": two})]
    assert {canonical_json(row) for row in rows} == {canonical_json(row) for row in right}


def test_a_stored_registry_goes_on(opened: LocalRegistry) -> None:
    before = opened.rounds.events()[-1].number
    opened.rounds.note("round", "kind", "subject", "new")
    assert [event.text for event in opened.rounds.events(before)] == ["new"]
    assert opened.rounds.events(before)[0].number > before


def test_what_peers_sent_is_read_with_the_same_digest(fixture: Path) -> None:
    records = json.loads((fixture / "records.json").read_text())
    assert records.keys() == SENT.keys()
    for kind, data in records.items():
        if "signature" in from_json(data):
            sealed = Sealed.from_json(data)
            assert sealed.to_json().decode() == data
            unseal(sealed, SENT[kind])
        else:
            assert SENT[kind].from_json(data).to_json().decode() == data


def test_answers_of_a_service_of_that_release_are_read(fixture: Path) -> None:
    said = json.loads((fixture / "answers.json").read_text())
    for name in ("tasks", "architecture", "log", "results", "aliases", "alias_history", "rounds", "events"):
        CALLS[name].result(json.dumps(said[name]).encode())
    for name in ("show", "lineage", "verify"):
        for one in said[name]:
            CALLS[name].result(json.dumps(one).encode())


def test_a_database_with_a_broken_reference_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    restore(RELEASED[0], folder)
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute("UPDATE parents SET parent = 'nobody' WHERE position = 1")
    keep(folder, tmp_path / "before")
    with pytest.raises(Refusal, match=r"was not brought up to date: row \d+ of parents refers to one of versions"):
        LocalRegistry(folder)
    keep(folder, tmp_path / "after")
    assert (tmp_path / "after" / "registry.sql").read_text() == (tmp_path / "before" / "registry.sql").read_text()


def test_a_long_history_is_migrated_with_all_its_references(tmp_path: Path) -> None:
    """Ten thousand versions in two chains, ten thousand evaluations, a thousand moves of an alias."""
    folder = tmp_path / "registry"
    restore(RELEASED[0], folder)
    with closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.create_function("sha", 1, lambda number: sha256(str(number).encode()), deterministic=True)
        database.executescript(MANY)
    with closing(LocalRegistry(folder)) as registry:
        assert len(registry.versions.log(limit=10_000)) == 10_000
        assert registry.versions.resolve(sha256(b"10000")) == sha256(b"10000")
        moves = registry.releases.alias_history("many")
        assert [move.version for move in moves][1:] == [move.before for move in moves][:-1]
        with registry.storage.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            nodes = "SELECT count(*) FROM versions JOIN contributions USING (receipt, node)"
            assert connection.execute(text(nodes)).scalar_one() >= 10_000
            assert connection.execute(text("SELECT count(*) FROM evaluations")).scalar_one() >= 10_000


MANY = """
CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n;
INSERT INTO contributions
    SELECT sha('receipt' || i), sha('work' || i), kind, sha('node' || i % 50), state, reason, sealed, task, featurizer,
        head, seconds, overhead, created
    FROM n, (SELECT * FROM contributions WHERE kind = 'probe');
INSERT INTO versions
    SELECT 1000 + i, sha(i), record, featurizer, head, architecture, task, rule, state, sha('work' || i),
        sha('receipt' || i), round, message, seconds, created
    FROM n, (SELECT * FROM versions WHERE rule = 'probe');
INSERT INTO parents SELECT sha(i), 0, sha(i - 2) FROM n WHERE i > 2;
INSERT INTO evaluations
    SELECT 1000 + i, sha('receipt' || i), featurizer, head, task, fingerprint, trial, image_size, domain, split, slice,
        confusion
    FROM n, (SELECT * FROM evaluations WHERE number = 1);
INSERT INTO aliases SELECT 1000 + i, 'many', sha(i), '', i FROM n WHERE i <= 1000;
"""
