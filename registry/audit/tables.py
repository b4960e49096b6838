"""Tables without signatures: references between them, definitions, and the scores that are made from evaluations.

A database refuses to break a reference, but a file may be damaged, or written by other software. Definitions
(architectures, tasks, rounds, settings) must be readable, canonical, and what their digest and name say. Scores must be
what the confusion matrices of their pair of parts add up to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, select, tuple_
from sqlalchemy.sql.elements import KeyedColumnElement

from ratatouille.errors import Refusal
from ratatouille.record import sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.audit.checking import AuditBatch, NotCheckable, checks, expect, finding, findings
from registry.audit.log import states_of_rounds
from registry.ledger import event_log
from registry.lists import MOST_ROWS, every
from registry.records import RoundRecord
from registry.schema import (
    ArchitectureRow,
    ChangeRow,
    EvaluationRow,
    ReviewRow,
    ScoreRow,
    TaskRow,
    VersionRow,
    metadata,
)
from registry.scores import counted
from registry.settings import check_settings
from registry.storage import Storage

MOST_NAMED = 5
"""Broken references of one kind that are named; all are counted."""


def look_at_references(storage: Storage, after: str) -> AuditBatch:
    """The next reference."""
    names = sorted(name for name, _ in _references())
    following = next((name for name in names if name > after), None)
    if following is None:
        return AuditBatch(after)
    with storage.database.read() as connection:
        rules = [(name, partial(rule, connection)) for name, rule in _references() if name == following]
        found = findings("references", following, checks(rules))
    return AuditBatch(following, looked=1, findings=found)


def count_references(connection: Connection) -> int:
    """How many there are."""
    return len(list(_references()))


def _references() -> Iterator[tuple[str, Callable[[Connection], str]]]:
    yield " file", _file
    yield "evaluations.head", _pairs_of_parts
    yield "versions.replacement", partial(_dangling, VersionRow.__table__.c.replacement, VersionRow.__table__.c.id)
    yield "reviews.signed", _reviews
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


def _pairs_of_parts(connection: Connection) -> str:
    pair = and_(VersionRow.featurizer == EvaluationRow.featurizer, VersionRow.head == EvaluationRow.head)
    column = EvaluationRow.__table__.c.head
    return _none(connection, column, ~exists().where(pair), "no version has the featurizer and the head")


def _reviews(connection: Connection) -> str:
    signed = and_(ChangeRow.number == ReviewRow.change, ChangeRow.kind == "review")
    column = ReviewRow.__table__.c.version
    there = exists().where(signed, ChangeRow.subject == ReviewRow.version)
    return _none(connection, column, ~there, "nobody signed the review of version")


def _none(connection: Connection, column: KeyedColumnElement[Any], broken: ColumnElement[bool], said: str) -> str:
    count = connection.execute(select(func.count()).select_from(column.table).where(broken)).scalar_one()
    if count:
        named = connection.execute(select(column).where(broken).limit(MOST_NAMED)).scalars()
        raise Refusal(f"{said} {', '.join(str(one)[:12] for one in named)} ({count} broken)")
    return "ok"


def look_at_definitions(storage: Storage, after: str) -> AuditBatch:
    """All of them at once: there are few."""
    if after:
        return AuditBatch(after)
    with storage.database.read() as connection:
        rules = [("settings", partial(_settings, connection)), ("rounds", partial(_rounds, connection))]
        rules.append(("states of rounds", partial(states_of_rounds, connection)))
        for network in connection.execute(select(ArchitectureRow)):
            rules.append((f"architecture {network.name}", partial(_record, Architecture, network)))
        for about in connection.execute(select(TaskRow)):
            rules.append((f"task {about.name}", partial(_record, Task, about)))
        found = [finding for check in checks(rules) for finding in findings("definitions", check.what, [check])]
    return AuditBatch("all", looked=len(rules), findings=found)


def _record(kind: type[Architecture] | type[Task], row: Row[Any]) -> str:
    found = sha256(row.record.encode())
    if found != row.digest:
        raise Refusal(f"the record hashes to {found[:12]}…, not to {row.digest[:12]}…")
    record = _parsed(kind, row.record)
    expect(record.name, row.name, "name")
    return found


def _parsed(kind: type[Architecture] | type[Task], text: str) -> Architecture | Task:
    try:
        record = kind.from_json(text)
    except Refusal as refusal:
        raise NotCheckable(f"written by another release: {refusal}") from refusal
    if record.to_json() != text.encode():
        raise NotCheckable("written by another release, in another form")
    return record


def _settings(connection: Connection) -> str:
    return str(len(check_settings(connection).model_dump()))


def _rounds(connection: Connection) -> str:
    def page(last: RoundRecord | None) -> list[RoundRecord]:
        return event_log.rounds(connection, (), None if last is None else last.id, MOST_ROWS)

    return str(len(list(every(page))))


PAIRS = 50
"""Pairs of parts that one batch looks at."""
_KEY = ("task", "trial", "image_size", "split", "slice", "domain")


def look_at_scores(storage: Storage, after: str) -> AuditBatch:
    """The scores of the next pairs of parts."""
    batch = AuditBatch(after)
    with storage.database.read() as connection:
        for featurizer, head in _next_pairs(connection, after):
            pair = {"featurizer": featurizer, "head": head}
            said, right = _by_cell(_stored(connection, pair)), _by_cell(counted(connection, pair))
            for cell in sorted(said.keys() | right.keys(), key=repr):
                if not _same(said.get(cell), right.get(cell)):
                    what = "/".join(map(str, cell[3:]))
                    detail = f"the score on {what} is not what the confusion matrices add up to"
                    batch.findings.append(finding("scores", f"{featurizer[:12]}… with {head[:12]}…", detail))
            batch.last = f"{featurizer}/{head}"
            batch.looked += len(said.keys() | right.keys())
    return batch


def _next_pairs(connection: Connection, after: str) -> list[tuple[str, str]]:
    """The next pairs that have scores or evaluations."""
    featurizer, _, head = after.partition("/")
    found: set[tuple[str, str]] = set()
    for table in (ScoreRow, EvaluationRow):
        pair = (table.featurizer, table.head)
        query = select(*pair).where(tuple_(*pair) > tuple_(featurizer, head)).distinct().order_by(*pair).limit(PAIRS)
        found |= {(row[0], row[1]) for row in connection.execute(query)}
    return sorted(found)[:PAIRS]


def _stored(connection: Connection, pair: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    query = select(ScoreRow.__table__).where(*(getattr(ScoreRow, name) == value for name, value in pair.items()))
    return [dict(row) for row in connection.execute(query).mappings()]


def _by_cell(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    return {tuple(row[name] for name in _KEY): row for row in rows}


def _same(said: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> bool:
    """Scores are the floats nearest to exact shares; margins of other machines may differ in their last bits."""
    if said is None or right is None:
        return False
    return said.keys() == right.keys() and all(
        math.isclose(value, right[name], rel_tol=1e-9, abs_tol=1e-12)
        if name.endswith("_margin")
        else value == right[name]
        for name, value in said.items()
    )
