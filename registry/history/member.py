"""The part of a member: counts, shares in the releases, what was not taken and why, what their keys offer now.

Every answer is bounded: one row for each kind, task and state, and the latest of what was not taken. Shares are exact,
as `lineage.composition` gives them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from fractions import Fraction

from sqlalchemy import Connection, func, select

from ratatouille.exchange.membership import Offer
from ratatouille.exchange.signing import Sealed
from registry.history.contributors import of_same_people, submissions
from registry.history.lineage import composition, readable_fraction
from registry.ledger.members.queries import memberships
from registry.ledger.releases import aliases
from registry.lists import readable
from registry.records import NOT_TAKEN as LEFT_OUT
from registry.records import ContributionTotal, Member, MemberKey, OfferedData, ReleasedShare, State
from registry.schema import ContributionRow, OfferRow, TaskRow

NOT_TAKEN: tuple[State, ...] = ("rejected", "duplicate", "retracted")
MOST_NOT_TAKEN = 20
MOST_ALIASES = 50


def member(connection: Connection, nodes: Sequence[str]) -> Member:
    """What these keys and the others of the same members gave, and what became of it.

    Raises:
        Refusal: for too many keys.
    """
    nodes = of_same_people(connection, nodes)
    now = time.time()
    columns = (OfferRow.node, OfferRow.name, OfferRow.sealed, OfferRow.expires)
    rows = connection.execute(select(*columns).where(OfferRow.node.in_(nodes))).all()
    known = {row.node: row for row in rows}
    standing = [row.sealed for row in rows if row.expires > now]
    offers = list(readable("offers", standing, lambda one: Offer.from_json(Sealed.from_json(one).body)))
    names = aliases(connection, limit=MOST_ALIASES + 1)
    done = tuple(_done(connection, nodes))
    # Taking versions apart costs the most: who has no training or import here is in none of them.
    looked_at = list(names.items())[:MOST_ALIASES] if done else []
    return Member(
        keys=tuple(
            MemberKey(
                node=node,
                name=known[node].name if node in known else None,
                here=node in known and known[node].expires > now,
            )
            for node in dict.fromkeys(nodes)
        ),
        members=tuple({one.member: one for one in memberships(connection, nodes).values()}.values()),
        done=done,
        released=tuple(_released(connection, nodes, looked_at)),
        more_aliases=len(names) > MOST_ALIASES,
        not_taken=tuple(submissions(connection, nodes, None, MOST_NOT_TAKEN, NOT_TAKEN, LEFT_OUT)),
        offered=tuple(
            OfferedData(
                node=offer.node,
                task_name=holding.task_name,
                domains=holding.domains,
                images=holding.total(),
                trains=offer.trains,
                parked=any(one.fingerprint in (None, holding.fingerprint) for one in offer.parked),
            )
            for offer in sorted(offers, key=lambda offer: (offer.name, offer.node))
            for holding in offer.holdings
        ),
    )


def _done(connection: Connection, nodes: Sequence[str]) -> Iterator[ContributionTotal]:
    row = ContributionRow
    query = (
        select(
            row.kind,
            TaskRow.name.label("task_name"),
            row.state,
            func.count().label("count"),
            func.sum(row.seconds).label("seconds"),
            func.min(row.created).label("first"),
            func.max(row.created).label("last"),
        )
        .outerjoin(TaskRow, TaskRow.digest == row.task)
        .where(row.node.in_(nodes))
        .group_by(row.kind, TaskRow.name, row.state)
    )
    found = [ContributionTotal.model_validate(dict(one)) for one in connection.execute(query).mappings()]
    return iter(sorted(found, key=lambda one: (one.kind, one.task_name or "", one.state)))


def _released(
    connection: Connection, nodes: Sequence[str], names: Sequence[tuple[str, str]]
) -> Iterator[ReleasedShare]:
    """The aliases that point at work of these keys; versions that several point at are taken apart once."""
    theirs = frozenset(nodes)
    found: dict[str, tuple[Fraction, bool, int]] = {}
    for alias, version in names:
        if version not in found:
            entries, shares, exact = composition(connection, version)
            own = [share for id, share in shares.items() if entries[id].node in theirs]
            found[version] = sum(own, Fraction()), exact, len(own)
        share, exact, count = found[version]
        if count:
            yield ReleasedShare(
                alias=alias,
                version=version,
                versions=count,
                share=float(share),
                exact=readable_fraction(share) if exact else None,
            )
