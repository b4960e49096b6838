"""Architectures, tasks, rounds and settings: each can be read, is canonical, and is what its digest and name say."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from ratatouille.errors import Refusal
from ratatouille.record import sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.audit.look import Batch, NotCheckable, checks, expect, findings
from registry.ledger import event_log
from registry.lists import MOST_ROWS, every
from registry.records import RoundRecord
from registry.schema import ArchitectureRow, TaskRow
from registry.settings import check_settings
from registry.storage import Storage


def look(storage: Storage, after: str) -> Batch:
    """All of them at once: there are few."""
    if after:
        return Batch(after)
    with storage.database.read() as connection:
        rules = [("settings", partial(_settings, connection)), ("rounds", partial(_rounds, connection))]
        for network in connection.execute(select(ArchitectureRow)):
            rules.append((f"architecture {network.name}", partial(_record, Architecture, network)))
        for about in connection.execute(select(TaskRow)):
            rules.append((f"task {about.name}", partial(_record, Task, about)))
        found = [finding for check in checks(rules) for finding in findings("definitions", check.what, [check])]
    return Batch("all", looked=len(rules), findings=found)


def _record(kind: type[Architecture] | type[Task], row: Row[Any]) -> str:
    found = sha256(row.record.encode())
    if found != row.digest:
        raise Refusal(f"the record hashes to {found[:12]}…, not to {row.digest[:12]}…")
    record = _read(kind, row.record)
    expect(record.name, row.name, "name")
    return found


def _read(kind: type[Architecture] | type[Task], text: str) -> Architecture | Task:
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
