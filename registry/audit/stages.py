"""The stages of an audit, in their order: what the rows say first, then the bytes, then what nobody needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Connection, Select, func, select

from registry.audit import averages, changes, definitions, receipts, references, scores, versions, weights
from registry.audit.look import Batch
from registry.records import Stage
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


@dataclass(frozen=True)
class Row:
    """One stage: how its next things are looked at, and how many there are."""

    look: Callable[[Storage, str], Batch]
    count: Callable[[Connection], int]


def _rows(*queries: Select[Any]) -> Callable[[Connection], int]:
    def count(connection: Connection) -> int:
        return sum(connection.execute(query).scalar_one() for query in queries)

    return count


def _all(table: type[Any]) -> Select[Any]:
    return select(func.count()).select_from(table)


STAGES: dict[Stage, Row] = {
    "references": Row(references.look, references.count),
    "definitions": Row(definitions.look, _rows(_all(ArchitectureRow), _all(TaskRow))),
    "receipts": Row(receipts.look, _rows(_all(ContributionRow))),
    "versions": Row(versions.look, _rows(_all(VersionRow))),
    "changes": Row(changes.look, _rows(_all(ChangeRow))),
    "aliases": Row(changes.look_at_aliases, _rows(_all(AliasRow))),
    "scores": Row(scores.look, _rows(_all(ScoreRow))),
    "weights": Row(weights.look, _rows(_all(BlobRow))),
    "averages": Row(averages.look, _rows(_all(VersionRow).where(VersionRow.rule == "combine"))),
    "files": Row(weights.look_at_files, _rows(_all(BlobRow))),
}
assert tuple(STAGES) == get_args(Stage), "a place of an audit names one of these"
