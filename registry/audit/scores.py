"""Scores for ranking: each row is what the confusion matrices of its pair of parts add up to, and none is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, tuple_

from registry.audit.look import Batch, finding
from registry.schema import EvaluationRow, ScoreRow
from registry.scores import counted
from registry.storage import Storage

PAIRS = 50
"""Pairs of parts that one batch looks at."""
_KEY = ("task", "trial", "image_size", "split", "slice", "domain")


def look(storage: Storage, after: str) -> Batch:
    """The scores of the next pairs of parts."""
    batch = Batch(after)
    with storage.database.read() as connection:
        for featurizer, head in _pairs(connection, after):
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


def _pairs(connection: Connection, after: str) -> list[tuple[str, str]]:
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
