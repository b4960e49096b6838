"""Inputs of the retention policy, read from the database: versions with their parts, rounds, names, leases."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, or_, select

from ratatouille.exchange.membership import Lease
from registry.ledger.event_log import USED
from registry.ledger.releases import ever_named
from registry.records import OVER
from registry.retention.policy import History, Node
from registry.schema import EventRow, LeaseRow, ParentRow, RoundRow, VersionRow
from registry.settings import read_settings


@dataclass(frozen=True)
class Past:
    """The whole history, as small as it can be."""

    history: History
    parts: dict[str, tuple[str, ...]]
    """By version: digests of its featurizer and, if it has one, its head."""

    def reads(self, version: str) -> tuple[str, ...]:
        """The weights that make an average, all parents' together."""
        parents = self.history.versions[version].parents
        count = len(self.parts[version])  # an average of featurizers alone does not read its parents' heads
        return tuple(digest for parent in parents for digest in self.parts[parent][:count])


def read_past(connection: Connection, rounds: int) -> Past:
    """Everything that a policy of so many rounds needs to know."""
    parents: dict[str, list[str]] = defaultdict(list)
    edges = select(ParentRow.child, ParentRow.parent).order_by(ParentRow.child, ParentRow.position)
    for child, parent in connection.execute(edges):
        parents[child].append(parent)
    columns = (VersionRow.id, VersionRow.featurizer, VersionRow.head, VersionRow.rule, VersionRow.round)
    parts: dict[str, tuple[str, ...]] = {}
    versions: dict[str, Node] = {}
    for id, featurizer, head, rule, round, created in connection.execute(
        select(*columns, VersionRow.created).order_by(VersionRow.number)
    ):
        parts[id] = (featurizer,) if head is None else (featurizer, head)
        versions[id] = Node(rule, round, created, tuple(parents.get(id, ())))
    running, over = _rounds(connection)
    history = History(
        versions=versions,
        released=ever_named(connection),
        running=running,
        over=over,
        used=_used(connection, [*running, *list(over)[:rounds]]),
    )
    return Past(history, parts)


def leased(connection: Connection) -> set[str]:
    """Inputs of work that somebody is at, or was at so lately that they may still push."""
    since = time.time() - read_settings(connection).stale_seconds
    records = connection.execute(select(LeaseRow.record).where(LeaseRow.expires > since)).scalars()
    return {digest for record in records for digest in Lease.from_json(record).inputs}


def _rounds(connection: Connection) -> tuple[set[str], dict[str, float]]:
    """Rounds that go on, and those that are over, newest first, with when they were asked for."""
    running, over = set(), {}
    query = select(RoundRow.id, RoundRow.state, RoundRow.created).order_by(RoundRow.number.desc())
    for id, state, created in connection.execute(query):
        if state in OVER:
            over[id] = created
        else:
            running.add(id)
    return running, over


def _used(connection: Connection, rounds: list[str]) -> dict[str, set[str]]:
    """What these rounds build on: `version` events also name combinations that a round found known."""
    used: dict[str, set[str]] = defaultdict(set)
    named = or_(EventRow.kind == USED, EventRow.kind == "version")
    for round in rounds:
        query = select(EventRow.subject).where(EventRow.round == round, named)
        used[round].update(connection.execute(query).scalars())
    return used
