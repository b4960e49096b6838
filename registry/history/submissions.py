"""Receipts by the keys that signed them, latest first: what a contributor gave, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Close
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from registry.ledger.signed import closures
from registry.lists import clipped
from registry.records import Submission
from registry.schema import ContributionRow, TaskRow, VersionRow

MOST_KEYS = 1000


def submissions(connection: Connection, nodes: Sequence[str], before: str | None, limit: int) -> list[Submission]:
    """What these keys gave, latest first.

    Args:
        connection: a transaction.
        nodes: public keys.
        before: the receipt that the page before ended with.
        limit: at most so many.

    Raises:
        Refusal: for too many keys, or a receipt that is not known.
    """
    if len(nodes) > MOST_KEYS:
        raise Refusal(f"{len(nodes)} keys are asked for at once; {MOST_KEYS} are the most")
    query = (
        select(ContributionRow, VersionRow.id.label("version"))
        .outerjoin(VersionRow, VersionRow.receipt == ContributionRow.receipt)
        .where(ContributionRow.node.in_(nodes))
        .order_by(ContributionRow.created.desc(), ContributionRow.receipt.desc())
        .limit(clipped(limit))
    )
    if before is not None:
        created = connection.execute(select(ContributionRow.created).where(ContributionRow.receipt == before)).scalar()
        if created is None:
            raise Refusal(f"receipt {before[:12]}… is not known; a page begins with the last one of the page before")
        query = query.where(tuple_(ContributionRow.created, ContributionRow.receipt) < tuple_(created, before))
    rows = connection.execute(query).all()
    closed = {
        (Close.from_json(sealed.body).question, sealed.node)
        for sealed in closures(connection, [row.work_id for row in rows])
    }
    names = {row.digest: row.name for row in connection.execute(select(TaskRow.digest, TaskRow.name))}
    found = []
    for row in rows:
        task = row.task or _task(row.sealed)
        found.append(
            Submission(
                receipt=row.receipt,
                work_id=row.work_id,
                kind=row.kind,
                state=row.state,
                node=row.node,
                task=task,
                task_name=names.get(task or ""),
                version=row.version,
                closed=(row.work_id, row.node) in closed,
                created=row.created,
            )
        )
    return found


def _task(sealed: str) -> str | None:
    """Rows of what was not admitted name no task, since it may not exist."""
    return Receipt.from_json(Sealed.from_json(sealed).body).assignment.task
