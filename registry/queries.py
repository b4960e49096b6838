"""The read side: details and lineage; `log` lists. Every answer is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.version import Version
from registry.answers import CHUNK, parse_evaluation
from registry.records import Details, Entry, LineageRow, StoredEvaluation
from registry.releases import names
from registry.removed import removed
from registry.revisions import resolve
from registry.schema import ContributionRow, EvaluationRow, OfferRow, ParentRow, TaskRow, VersionRow

MOST_ENTRIES = 10_000
MOST_EVALUATIONS = 10_000

EntryQuery = Select[*tuple[Any, ...]]


def show(connection: Connection, revision: str) -> Details:
    """Everything about a version."""
    id = resolve(connection, revision)
    entry = next(read(connection, entries().where(VersionRow.id == id)))
    sealed = sealed_receipt(connection, entry.version.receipt)
    children = select(ParentRow.child).where(ParentRow.parent == id).distinct().order_by(ParentRow.child)
    return Details(
        entry=entry,
        receipt=None if sealed is None else Receipt.from_json(sealed.body),
        evaluations=tuple(_evaluations(connection, entry.version)),
        children=tuple(connection.execute(children.limit(MOST_ENTRIES)).scalars()),
        collected=min(removed(connection, _parts(entry.version)).values(), default=None),
    )


def receipt(connection: Connection, revision: str) -> Sealed | None:
    """A version's signed receipt; None where the registry made the version itself."""
    found = connection.execute(select(VersionRow.receipt).where(VersionRow.id == resolve(connection, revision)))
    return sealed_receipt(connection, found.scalar())


def lineage(connection: Connection, revision: str, depth: int) -> list[LineageRow]:
    """A version and its ancestors, breadth first: one row for each edge that leads to an ancestor."""
    start = resolve(connection, revision)
    ways: list[tuple[int, str, str | None, int | float | None]] = [(0, start, None, None)]
    entries = _by_id(connection, [start])
    level, distance = [start], 0
    while level and distance < depth and len(ways) < MOST_ENTRIES:
        distance += 1
        edges = [(child, parent) for child in level for parent in entries[child].version.parents]
        ways += [(distance, parent.version, child, parent.coefficient) for child, parent in edges]
        level = [id for id in dict.fromkeys(parent.version for _, parent in edges) if id not in entries]
        entries |= _by_id(connection, level)
    return [
        LineageRow(entry=entries[id], depth=far, through=through, coefficient=coefficient)
        for far, id, through, coefficient in ways[:MOST_ENTRIES]
    ]


def _parts(version: Version) -> list[str]:
    return [part for part in (version.featurizer, version.head) if part is not None]


def sealed_receipt(connection: Connection, receipt: str | None) -> Sealed | None:
    """The signed receipt with this digest, as it was pushed."""
    query = select(ContributionRow.sealed).where(ContributionRow.receipt == receipt)
    found = connection.execute(query).scalar() if receipt is not None else None
    return None if found is None else Sealed.from_json(found)


def entries() -> EntryQuery:
    """What an entry is made of."""
    return (
        select(
            VersionRow.number,
            VersionRow.id,
            VersionRow.record,
            VersionRow.state,
            VersionRow.created,
            VersionRow.message,
            VersionRow.round,
            VersionRow.work_id,
            TaskRow.name.label("task_name"),
            OfferRow.name.label("contributor"),
            VersionRow.node,
        )
        .outerjoin(TaskRow, TaskRow.digest == VersionRow.task)
        .outerjoin(OfferRow, OfferRow.node == VersionRow.node)
    )


def read(connection: Connection, query: EntryQuery) -> Iterator[Entry]:
    """The entries that a query made of `entries` finds."""
    named = names(connection)
    for row in connection.execute(query).mappings():
        values = dict(row)
        version = Version.from_json(values.pop("record"))
        yield Entry.model_validate({**values, "version": version, "aliases": tuple(named.get(values["id"], ()))})


def _by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        found |= {entry.id: entry for entry in read(connection, entries().where(VersionRow.id.in_(chunk)))}
    return found


def _evaluations(connection: Connection, version: Version) -> Iterator[StoredEvaluation]:
    """The counts of every version with these parts; of a cell that was counted twice the first."""
    if version.head is None:
        return
    query = (
        select(EvaluationRow, TaskRow.name.label("task_name"), ContributionRow.node)
        .join(TaskRow, TaskRow.digest == EvaluationRow.task)
        .join(ContributionRow, ContributionRow.receipt == EvaluationRow.receipt)
        .where(
            EvaluationRow.featurizer == version.featurizer,
            EvaluationRow.head == version.head,
            ContributionRow.state == "admitted",
        )
        .order_by(EvaluationRow.number)
        .limit(MOST_EVALUATIONS)
    )
    seen = set()
    for row in connection.execute(query):
        cell = (row.task, row.fingerprint, row.trial, row.image_size, row.domain, row.split, row.slice)
        if cell in seen:
            continue
        seen.add(cell)
        yield StoredEvaluation(
            task=row.task,
            task_name=row.task_name,
            fingerprint=row.fingerprint,
            node=row.node,
            trial=row.trial,
            image_size=row.image_size,
            evaluation=parse_evaluation(row.domain, row.split, row.slice, row.confusion),
        )
