"""The stages of an audit in their order, and one page of it: things of one stage, for about a second.

First the rows, then the bytes, then files that no version has. Each batch reads in a transaction of its own, so
writers and `gc` go on; what comes meanwhile is looked at if its turn is still to come.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import ColumnElement, Connection, func, select, true
from sqlalchemy.exc import DBAPIError

from ratatouille.errors import Misconfigured, Refusal
from registry.audit.checking import AuditBatch, finding
from registry.audit.log import count_leaves, look_at_log
from registry.audit.signed_records import look_at_aliases, look_at_changes, look_at_receipts
from registry.audit.tables import count_references, look_at_definitions, look_at_references, look_at_scores
from registry.audit.versions import look_at_versions
from registry.audit.weights import look_at_averages, look_at_files, look_at_weights
from registry.records import AuditPage, AuditPlace, Stage
from registry.schema import (
    AliasRow,
    ArchitectureRow,
    BlobRow,
    ChangeRow,
    ContributionRow,
    ScoreRow,
    TaskRow,
    VersionRow,
)
from registry.storage import Storage

PAGE_SECONDS = 1.0
"""After so long a page ends; one thing may take longer."""
_ALL = true()


@dataclass(frozen=True)
class AuditStage:
    """One stage: how its next things are looked at, and how many there are."""

    look: Callable[[Storage, str], AuditBatch]
    count: Callable[[Connection], int]


def _rows(*tables: type[Any], where: ColumnElement[bool] = _ALL) -> Callable[[Connection], int]:
    queries = [select(func.count()).select_from(table).where(where) for table in tables]
    return lambda connection: sum(connection.execute(query).scalar_one() for query in queries)


STAGES: dict[Stage, AuditStage] = {
    "references": AuditStage(look_at_references, count_references),
    "definitions": AuditStage(look_at_definitions, _rows(ArchitectureRow, TaskRow)),
    "log": AuditStage(look_at_log, count_leaves),
    "receipts": AuditStage(look_at_receipts, _rows(ContributionRow)),
    "versions": AuditStage(look_at_versions, _rows(VersionRow)),
    "changes": AuditStage(look_at_changes, _rows(ChangeRow)),
    "aliases": AuditStage(look_at_aliases, _rows(AliasRow)),
    "scores": AuditStage(look_at_scores, _rows(ScoreRow)),
    "weights": AuditStage(look_at_weights, _rows(BlobRow)),
    "averages": AuditStage(look_at_averages, _rows(VersionRow, where=VersionRow.rule == "combine")),
    "files": AuditStage(look_at_files, _rows(BlobRow)),
}
assert tuple(STAGES) == get_args(Stage), "a place of an audit names one of these"


def page(storage: Storage, place: AuditPlace | None, seconds: float = PAGE_SECONDS) -> AuditPage:
    """Check the next things, for about so many seconds; says where the next page begins.

    Args:
        storage: the registry.
        place: where the last page said that this one begins; None begins at the beginning.
        seconds: about how long to look.

    Raises:
        Unreachable: when the database or the store does not answer.
    """
    stages = list(STAGES)
    place = place or AuditPlace(stage=stages[0])
    until, whole = time.monotonic() + seconds, AuditBatch(place.after)
    while True:
        batch = _batch(storage, place.stage, whole.last)
        whole.findings += batch.findings
        if batch.looked == 0:
            following = stages[stages.index(place.stage) + 1 :]
            return _page(storage, place.stage, whole, AuditPlace(stage=following[0]) if following else None)
        whole.looked, whole.bytes, whole.last = whole.looked + batch.looked, whole.bytes + batch.bytes, batch.last
        if time.monotonic() > until:
            return _page(storage, place.stage, whole, AuditPlace(stage=place.stage, after=batch.last))


def _batch(storage: Storage, stage: Stage, after: str) -> AuditBatch:
    try:
        return STAGES[stage].look(storage, after)
    except (Refusal, Misconfigured, DBAPIError) as error:  # a damaged file: what is left of the stage cannot be read
        return AuditBatch(after, findings=[finding(stage, "the database", str(error).partition("\n")[0])])


def _page(storage: Storage, stage: Stage, whole: AuditBatch, following: AuditPlace | None) -> AuditPage:
    try:
        with storage.database.read() as connection:
            total = STAGES[stage].count(connection)
    except (Refusal, Misconfigured, DBAPIError):
        total = whole.looked
    return AuditPage(
        stage=stage,
        findings=tuple(whole.findings),
        looked=whole.looked,
        bytes=whole.bytes,
        total=total,
        following=following,
    )
