"""The retention policy: which versions keep their weights, and the facts that decide it.

`kept` is a pure function over the history's graph. For ever: what was ever released or tagged, imports, and what those
are made of and were trained from. For a while: the newest rounds and those that run, with what they build on, and what
belongs to no round and is younger than they are. Ids, receipts, counts and lineage of everything else stay as well;
only weights go. `read_past` reads its inputs from the database: versions with their parts, rounds, names, leases.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, or_, select

from ratatouille.exchange.membership import Lease
from registry.ledger.event_log import USED
from registry.ledger.releases import ever_named
from registry.records import OVER
from registry.schema import EventRow, LeaseRow, ParentRow, RoundRow, VersionRow
from registry.settings import read_settings

Reason = Literal["released", "import", "running", "recent", "parent", "start"]
"""Why weights are kept: an alias or tag (ever), an import, a round that goes on, one of the newest rounds or as young,
a parent of an average that is kept, what a kept version was trained from.
"""


@dataclass(frozen=True)
class PolicyVersion:
    """A version, as far as the policy looks at it."""

    rule: str
    round: str | None
    created: float
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class PolicyInput:
    """The facts that the policy reads."""

    versions: Mapping[str, PolicyVersion]
    released: Collection[str] = frozenset()
    """What an alias ever pointed at, and what is tagged."""
    running: Collection[str] = frozenset()
    """Ids of rounds that are not over."""
    over: Mapping[str, float] = field(default_factory=dict)
    """Ids of rounds that are, with when they were asked for; the newest first."""
    used: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By round: versions that were there before, and that it builds on."""


def kept(history: PolicyInput, rounds: int) -> dict[str, Reason]:
    """The versions that keep their weights, each with the first reason.

    Args:
        history: what there is.
        rounds: how many of the newest rounds that are over count; at least one.
    """
    newest = dict(list(history.over.items())[:rounds])
    # while there are fewer rounds than that, nothing is old
    since = min(newest.values()) if len(newest) == rounds else float("-inf")
    known = newest.keys() | history.over.keys() | set(history.running)
    found: dict[str, Reason] = {}
    _note(found, "released", history.released)
    _note(found, "import", (id for id, one in history.versions.items() if one.rule == "import"))
    _note(found, "running", _of_rounds(history, set(history.running)))
    _note(found, "recent", _of_rounds(history, newest.keys()))
    homeless = ((id, one) for id, one in history.versions.items() if one.round is None or one.round not in known)
    _note(found, "recent", (id for id, one in homeless if one.created >= since))
    _note(found, "parent", _averaged_in(history, found))
    starts = (parent for id in list(found) if not _averaged(history, id) for parent in history.versions[id].parents)
    _note(found, "start", starts)
    return found


def _note(found: dict[str, Reason], reason: Reason, versions: Iterable[str]) -> None:
    for version in versions:
        found.setdefault(version, reason)


def _of_rounds(history: PolicyInput, rounds: Collection[str]) -> list[str]:
    made = [id for id, one in history.versions.items() if one.round in rounds]
    return made + [id for round in rounds for id in history.used.get(round, ()) if id in history.versions]


def _averaged_in(history: PolicyInput, versions: Iterable[str]) -> list[str]:
    """Parents of these averages, and of the averages among them, all the way down."""
    waiting, found = [id for id in versions if _averaged(history, id)], {}
    while waiting:
        for parent in history.versions[waiting.pop()].parents:
            if parent not in found:
                found[parent] = True
                if _averaged(history, parent):
                    waiting.append(parent)
    return list(found)


def _averaged(history: PolicyInput, version: str) -> bool:
    return history.versions[version].rule == "combine"


@dataclass(frozen=True)
class Past:
    """The whole history, as small as it can be."""

    history: PolicyInput
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
    versions: dict[str, PolicyVersion] = {}
    for id, featurizer, head, rule, round, created in connection.execute(
        select(*columns, VersionRow.created).order_by(VersionRow.number)
    ):
        parts[id] = (featurizer,) if head is None else (featurizer, head)
        versions[id] = PolicyVersion(rule, round, created, tuple(parents.get(id, ())))
    running, over = _states_of_rounds(connection)
    history = PolicyInput(
        versions=versions,
        released=ever_named(connection),
        running=running,
        over=over,
        used=_used(connection, [*running, *list(over)[:rounds]]),
    )
    return Past(history, parts)


def leased(connection: Connection) -> set[str]:
    """Inputs of leased work, and of work whose lease ended so lately that the node may still push."""
    since = time.time() - read_settings(connection).stale_seconds
    records = connection.execute(select(LeaseRow.record).where(LeaseRow.expires > since)).scalars()
    return {digest for record in records for digest in Lease.from_json(record).inputs}


def _states_of_rounds(connection: Connection) -> tuple[set[str], dict[str, float]]:
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
