"""Contributors: their contributions added up by key, and their receipts with what became of each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select, tuple_

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Close
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from registry.ledger.signed_changes import closures
from registry.lists import clipped
from registry.records import Contributor, State, Submission
from registry.schema import ContributionRow, OfferRow, TaskRow, VersionRow

MOST_CONTRIBUTORS = 10_000
MOST_STANDING = 100
"""Contributions that the answer to a revocation names."""

_MADE = {"fine_tune": "trainings", "probe": "heads", "import": "imports"}
_BECAME = {"duplicate": "duplicates", "rejected": "rejected", "retracted": "retracted"}


def contributors(connection: Connection) -> list[Contributor]:
    """All keys that signed a contribution, the most trainings first."""
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


MOST_KEYS = 1000


def refuse_many_keys(nodes: Sequence[str]) -> None:
    """Refuse more keys than one query takes.

    Raises:
        Refusal: for more.
    """
    if len(nodes) > MOST_KEYS:
        raise Refusal(f"{len(nodes)} keys are asked for at once; {MOST_KEYS} are the most")


class Standing(NamedTuple):
    """Contributions that stand: how many, and the latest of them."""

    number: int
    latest: tuple[Submission, ...]


def standing(connection: Connection, nodes: Sequence[str]) -> Standing:
    """What these keys gave that stands."""
    query = select(func.count()).where(ContributionRow.node.in_(nodes), ContributionRow.state == "admitted")
    latest = submissions(connection, nodes, None, MOST_STANDING, ("admitted",))
    return Standing(int(connection.execute(query).scalar_one()), tuple(latest))


def submissions(
    connection: Connection, nodes: Sequence[str], before: str | None, limit: int, states: Sequence[State] = ()
) -> list[Submission]:
    """What these keys gave, latest first.

    Args:
        connection: a transaction.
        nodes: public keys.
        before: the receipt that the page before ended with.
        limit: at most so many.
        states: only those that became one of these; empty for all.

    Raises:
        Refusal: for too many keys, or a receipt that is not known.
    """
    refuse_many_keys(nodes)
    copied = ("receipt", "work_id", "kind", "state", "reason", "node", "task", "created", "sealed")
    columns = [getattr(ContributionRow, name) for name in copied]
    query = (
        select(*columns, VersionRow.id.label("version"))
        .outerjoin(VersionRow, VersionRow.receipt == ContributionRow.receipt)
        .where(ContributionRow.node.in_(nodes))
        .order_by(ContributionRow.created.desc(), ContributionRow.receipt.desc())
        .limit(clipped(limit))
    )
    if states:
        query = query.where(ContributionRow.state.in_(states))
    if before is not None:
        created = connection.execute(select(ContributionRow.created).where(ContributionRow.receipt == before)).scalar()
        if created is None:
            raise Refusal(f"receipt {before[:12]}… is not known; a page begins with the last one of the page before")
        query = query.where(tuple_(ContributionRow.created, ContributionRow.receipt) < tuple_(created, before))
    rows = [dict(row) for row in connection.execute(query).mappings()]
    closed = {
        (Close.from_json(sealed.body).question, sealed.node)
        for sealed in closures(connection, [row["work_id"] for row in rows])
    }
    tasks = {row.digest: row.name for row in connection.execute(select(TaskRow.digest, TaskRow.name))}
    for row in rows:
        signed = row.pop("sealed")
        row["task"] = row["task"] or _task(signed)
        row["task_name"] = tasks.get(row["task"] or "")
        row["closed"] = (row["work_id"], row["node"]) in closed
    return [Submission.model_validate(row) for row in rows]


def _task(sealed: str) -> str | None:
    """Rows of what was not admitted name no task, since it may not exist."""
    return Receipt.from_json(Sealed.from_json(sealed).body).assignment.task
