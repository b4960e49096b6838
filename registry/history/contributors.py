"""Contributors: their contributions added up by member or key, and their receipts with what became of each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, or_, select, tuple_

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Close, ReviewState
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from registry.ledger.members.queries import all_keys, memberships
from registry.ledger.signed_changes import closures
from registry.lists import clipped
from registry.records import NOT_TAKEN, Contributor, State, Submission
from registry.schema import ContributionRow, OfferRow, ReviewRow, TaskRow, VersionRow

MOST_CONTRIBUTORS = 10_000
MOST_STANDING = 100
"""Contributions that the answer to a revocation names."""

_MADE = {"fine_tune": "trainings", "probe": "heads", "import": "imports"}
_BECAME = {"duplicate": "duplicates", "rejected": "rejected", "retracted": "retracted"}


def contributors(connection: Connection) -> list[Contributor]:
    """All who signed a contribution, the most trainings first; all keys of a member are one of them."""
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
    counted = connection.execute(query).all()
    people = memberships(connection, {one.node for one in counted})
    found: dict[str, dict[str, Any]] = {}
    keys: dict[str, set[str]] = defaultdict(set)
    for one in counted:
        who = people[one.node].member if one.node in people else one.node
        keys[who].add(one.node)
        values = found.setdefault(who, defaultdict(float, first=one.first, last=one.last))
        values["first"], values["last"] = min(values["first"], one.first), max(values["last"], one.last)
        taken = one.state == "admitted"
        values[_MADE.get(one.kind, "evaluations") if taken else _BECAME.get(one.state, "rejected")] += one.count
        values["seconds"] += one.seconds if taken else 0.0
    now = time.time()
    offers = {one.node: one for one in connection.execute(select(OfferRow.node, OfferRow.name, OfferRow.expires))}
    rows = []
    for who, values in found.items():
        member = next((people[key] for key in keys[who] if key in people), None)
        called = member.name if member else offers[who].name if who in offers else None
        here = any(key in offers and offers[key].expires > now for key in keys[who])
        signed = tuple(sorted(keys[who])) if member else ()
        rows.append(Contributor(node=who, name=called, member=member, keys=signed, here=here, **values))
    return sorted(rows, key=lambda one: (-one.trainings, one.first, one.node))[:MOST_CONTRIBUTORS]


MOST_KEYS = 1000


def of_same_people(connection: Connection, nodes: Sequence[str]) -> list[str]:
    """These keys, and all others of the members that they belong to.

    Raises:
        Refusal: for more than one query takes.
    """
    found = all_keys(connection, nodes) if len(nodes) <= MOST_KEYS else nodes
    if len(found) > MOST_KEYS:
        raise Refusal(f"{len(found)} keys are asked for at once; {MOST_KEYS} are the most")
    return list(found)


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
    connection: Connection,
    nodes: Sequence[str],
    before: str | None,
    limit: int,
    states: Sequence[State] = (),
    reviews: Sequence[ReviewState] = (),
) -> list[Submission]:
    """What these keys gave, and the others of the same members, latest first.

    Args:
        connection: a transaction.
        nodes: public keys.
        before: the receipt that the page before ended with.
        limit: at most so many.
        states: only those that became one of these; empty for all.
        reviews: those too that made a version whose review says one of these.

    Raises:
        Refusal: for too many keys, or a receipt that is not known.
    """
    nodes = of_same_people(connection, nodes)
    copied = ("receipt", "work_id", "kind", "state", "reason", "node", "task", "created", "sealed")
    columns = [getattr(ContributionRow, name) for name in copied]
    review = (ReviewRow.state.label("review"), ReviewRow.reason.label("because"))
    query = (
        select(*columns, VersionRow.id.label("version"), *review)
        .outerjoin(VersionRow, VersionRow.receipt == ContributionRow.receipt)
        .outerjoin(ReviewRow, ReviewRow.version == VersionRow.id)
        .where(ContributionRow.node.in_(nodes))
        .order_by(ContributionRow.created.desc(), ContributionRow.receipt.desc())
        .limit(clipped(limit))
    )
    if states:
        query = query.where(or_(ContributionRow.state.in_(states), ReviewRow.state.in_(reviews)))
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
        signed, because = row.pop("sealed"), row.pop("because")
        row["reason"] = row["reason"] or (because if row["review"] in NOT_TAKEN else "")
        row["task"] = row["task"] or _task(signed)
        row["task_name"] = tasks.get(row["task"] or "")
        row["closed"] = (row["work_id"], row["node"]) in closed
    return [Submission.model_validate(row) for row in rows]


def _task(sealed: str) -> str | None:
    """Rows of what was not admitted name no task, since it may not exist."""
    return Receipt.from_json(Sealed.from_json(sealed).body).assignment.task
