"""Contributors: their contributions, added up by key."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, func, select

from registry.records import Contributor
from registry.schema import ContributionRow, OfferRow

MOST_CONTRIBUTORS = 10_000

_MADE = {"fine_tune": "trainings", "probe": "heads", "import": "imports"}
_BECAME = {"duplicate": "duplicates", "rejected": "rejected", "retracted": "retracted"}


def contributors(connection: Connection) -> list[Contributor]:
    """Everybody who signed a contribution, the most trainings first."""
    row = ContributionRow
    query = select(
        row.node,
        row.kind,
        row.state,
        func.count().label("count"),
        func.sum(row.seconds).label("seconds"),
        func.min(row.created).label("first"),
        func.max(row.created).label("last"),
    ).group_by(row.node, row.kind, row.state)
    found: dict[str, dict[str, Any]] = {}
    for one in connection.execute(query):
        values = found.setdefault(one.node, defaultdict(float, first=one.first, last=one.last))
        values["first"], values["last"] = min(values["first"], one.first), max(values["last"], one.last)
        taken = one.state == "admitted"
        values[_MADE.get(one.kind, "evaluations") if taken else _BECAME.get(one.state, "rejected")] += one.count
        values["seconds"] += one.seconds if taken else 0.0
    now = time.time()
    offers = {one.node: one for one in connection.execute(select(OfferRow.node, OfferRow.name, OfferRow.expires))}
    rows = [
        Contributor(
            node=node,
            name=offers[node].name if node in offers else None,
            here=node in offers and offers[node].expires > now,
            **values,
        )
        for node, values in found.items()
    ]
    return sorted(rows, key=lambda one: (-one.trainings, one.first, one.node))[:MOST_CONTRIBUTORS]
