"""Checks of the log: every event has its leaf in the Merkle tree, and what it is about is here.

A leaf says which receipt or change an event is about. So an event that was altered, a row that was deleted with all
that refers to it, and a row that nobody entered through the log are each named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Executable, Row, and_, exists, func, select

from ratatouille.errors import Refusal
from ratatouille.exchange.log_head import entry_data
from ratatouille.exchange.merkle import completed, last_leaf, leaf_hash, siblings
from ratatouille.record import sha256
from registry.audit.checking import AuditBatch, Rule, Rules, checks, finding, findings
from registry.leaves import node_in, stored_nodes
from registry.lists import chunks
from registry.schema import AliasRow, ChangeRow, ContributionRow, EventRow, LeafRow, RoundRow, VersionRow
from registry.storage import Storage

ROWS = 500
"""Leaves that one batch looks at."""
MOST_NAMED = 5
_ANSWERS = ("evaluation", "rejected", "duplicate")
"""Kinds of events about a receipt; those of version 0.1 name its question only."""


@dataclass(frozen=True)
class _Facts:
    """Facts about some leaves, from other tables."""

    nodes: Mapping[int, str]
    """Rows of leaves that theirs build on, by position."""
    known: frozenset[str]
    """Digests of receipts and changes, and ids of versions, that are here."""
    settings: Mapping[str, str]
    """Digests of the settings of rounds, by id."""


def look_at_log(storage: Storage, after: str) -> AuditBatch:
    """The next leaves, each with its event; `after` is a position."""
    batch = AuditBatch(after)
    start = int(after) if after.isdecimal() and len(after) < 19 else -1
    with storage.database.read() as connection:
        position, event = _before(connection, start)
        rows = connection.execute(_leaves(start)).all()
        facts = _facts(connection, rows)
        for row in rows:
            found = checks(_rules(row, position, event, facts))
            batch.findings += findings("log", f"entry {row.position} (event {row.event})", found)
            position, event, batch.last = row.position, row.event, str(row.position)
        upto = event if rows else None
        batch.findings += _without_leaf(connection, _before(connection, start)[1], upto)
    batch.looked = len(rows)
    return batch


def _leaves(start: int) -> Executable:
    columns = (EventRow.number, EventRow.at, EventRow.kind, EventRow.round, EventRow.subject, EventRow.text)
    query = select(LeafRow, *columns).outerjoin(EventRow, EventRow.number == LeafRow.event)
    return query.where(LeafRow.position > start).order_by(LeafRow.position).limit(ROWS)


def _before(connection: Connection, start: int) -> tuple[int, int]:
    """The position and the event of the last leaf of the batch before; smaller than all for the first batch."""
    query = select(LeafRow.position, LeafRow.event).where(LeafRow.position == start)
    row = connection.execute(query).first()
    return (-1, -1) if row is None else (row.position, row.event)


def _facts(connection: Connection, rows: Sequence[Row[Any]]) -> _Facts:
    about = {row.about for row in rows} - {None}
    versions = {row.subject for row in rows if row.kind == "version"}
    known: set[str] = set()
    for column, wanted in (
        (ContributionRow.receipt, about),
        (ChangeRow.digest, about),
        (VersionRow.id, versions),
    ):
        for some in chunks(sorted(wanted)):
            known |= set(connection.execute(select(column).where(column.in_(some))).scalars())
    settings: dict[str, str] = {}
    for id in {row.subject for row in rows if row.kind == "round"}:  # one at a time, since settings may be long
        spec = connection.execute(select(RoundRow.spec).where(RoundRow.id == id)).scalar()
        settings |= {} if spec is None else {id: sha256(spec.encode())}
    below = [one for row in rows for one in siblings(row.position)]
    return _Facts(stored_nodes(connection, below), frozenset(known), settings)


def _rules(row: Row[Any], position: int, event: int, facts: _Facts) -> Rules:
    yield "place", partial(_place, row, position, event)
    yield "leaf", partial(_leaf, row, facts)
    yield "about", partial(_about, row, facts)


def _place(row: Row[Any], position: int, event: int) -> str:
    if row.position != position + 1:
        raise Refusal(f"{row.position - position - 1} entries before it are missing")
    if row.event <= event:
        raise Refusal(f"its event came before the one of the entry before, {event}")
    return "follows the one before"


def _leaf(row: Row[Any], facts: _Facts) -> str:
    if row.number is None:
        raise Refusal("its event is missing")
    own = leaf_hash(entry_data(row._mapping, row.about))
    if not row.nodes.startswith(own.hex()):
        raise Refusal("the event is not what was entered")
    try:
        hashes = completed(row.position, own, lambda one: node_in(facts.nodes, one))
    except KeyError as error:
        raise Refusal(f"entry {last_leaf(error.args[0])}, on which its hashes build, is missing") from error
    if row.nodes != b"".join(hashes).hex():
        raise Refusal("its hashes are not those of the entries before it")
    return own.hex()


def _about(row: Row[Any], facts: _Facts) -> str:
    """Check that what an entry is about is here; of failures in version 0.1 it is a random number."""
    if row.kind == "version" and row.subject not in facts.known:
        raise Refusal(f"version {row.subject[:12]}… is missing")
    if row.kind == "round":
        if row.subject not in facts.settings:
            raise Refusal(f"round {row.subject[:12]} is missing")
        if row.about not in (None, facts.settings[row.subject]) and ": " not in row.text:
            raise Refusal("the round's settings are not what was entered")
    elif row.about is not None and row.kind not in (None, "failure") and row.about not in facts.known:
        raise Refusal(f"the receipt or change {row.about[:12]}… that it is about is missing")
    return "here"


def _without_leaf(connection: Connection, after: int, upto: int | None) -> list[Any]:
    """Events between two leaves that have none; `upto` None: all that follow."""
    listed = exists().where(LeafRow.event == EventRow.number)
    which = [EventRow.number > after, ~listed]
    if upto is not None:
        which.append(EventRow.number <= upto)
    numbers = connection.execute(select(EventRow.number).where(and_(*which)).limit(MOST_NAMED)).scalars().all()
    return [
        finding("log", f"event {number}", "it has no entry, so the registry did not write it") for number in numbers
    ]


def count_leaves(connection: Connection) -> int:
    """How many leaves there are."""
    return int(connection.execute(select(func.count()).select_from(LeafRow)).scalar_one())


def entered(connection: Connection, digests: Sequence[str]) -> frozenset[str]:
    """Those receipts and changes that an entry of the log is about."""
    query = select(LeafRow.about).where(LeafRow.about.in_(digests))
    return frozenset(one for one in connection.execute(query).scalars() if one is not None)


def in_log(id: str, known: frozenset[str]) -> Rule:
    """The check that the log has a row."""
    return "log", lambda: _known(id, known)


def _known(id: str, known: frozenset[str]) -> str:
    if id not in known:
        raise Refusal("the log has no entry of it")
    return "entered"


def receipts_entered(connection: Connection, rows: Sequence[Row[Any]]) -> frozenset[str]:
    """Receipts of contributions that the log has; version 0.1 entered their versions or their questions."""
    found = set(entered(connection, [row.receipt for row in rows]))
    rest = [row for row in rows if row.receipt not in found]
    if rest:
        old = select(EventRow.subject).join(LeafRow, LeafRow.event == EventRow.number)
        questions = old.where(LeafRow.about.is_(None), EventRow.kind.in_(_ANSWERS))
        asked = set(connection.execute(questions.where(EventRow.subject.in_([one.work_id for one in rest]))).scalars())
        made = select(VersionRow.receipt).where(VersionRow.receipt.in_([one.receipt for one in rest]))
        versions = made.where(VersionRow.id.in_(old.where(EventRow.kind == "version", LeafRow.about.is_(None))))
        found |= {one.receipt for one in rest if one.work_id in asked}
        found |= {one for one in connection.execute(versions).scalars() if one is not None}
    return frozenset(found)


def versions_entered(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Versions that the log has."""
    query = select(EventRow.subject).where(EventRow.kind == "version", EventRow.subject.in_(ids))
    return frozenset(connection.execute(query).scalars())


def moves_of_aliases(connection: Connection) -> str:
    """Check that each alias has as many moves as the log.

    Raises:
        Refusal: naming the first that has not.
    """
    logged = select(EventRow.subject, func.count()).where(EventRow.kind == "alias").group_by(EventRow.subject)
    moved = select(AliasRow.name, func.count()).group_by(AliasRow.name)
    said, found = ({row[0]: row[1] for row in connection.execute(query)} for query in (logged, moved))
    for name in sorted(said.keys() | found.keys()):
        if said.get(name, 0) != found.get(name, 0):
            raise Refusal(f"{name} has {found.get(name, 0)} moves, and the log has {said.get(name, 0)} of it")
    return f"{len(found)} aliases"


def states_of_rounds(connection: Connection) -> str:
    """Check that each round is in the state in which the log left it.

    Raises:
        Refusal: naming the first that is not.
    """
    last = select(func.max(EventRow.number)).where(EventRow.kind == "round").group_by(EventRow.subject)
    query = select(EventRow.subject, EventRow.text).where(EventRow.number.in_(last))
    said = {row.subject: row.text for row in connection.execute(query)}
    for row in connection.execute(select(RoundRow.id, RoundRow.name, RoundRow.state)):
        text = said.get(row.id)
        if text is None:
            raise Refusal(f"round {row.id[:12]} is not in the log")
        if text.partition(": ")[0] != f"{row.name} {row.state}":
            raise Refusal(f"round {row.id[:12]} is {row.state}, and the log ends with {text[:80]!r}")
    return f"{len(said)} rounds"
