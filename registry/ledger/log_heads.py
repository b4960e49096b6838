"""Heads of the log: the present one and entries, each with a proof, and what members and owners signed about heads."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal
from ratatouille.exchange.log_head import Rollback, Witness
from ratatouille.exchange.merkle import Span, consistency_spans, inclusion_spans
from ratatouille.exchange.signing import Sealed
from registry import leaves
from registry.ledger.event_log import record_event
from registry.ledger.members.changes import check_change
from registry.ledger.signed_changes import by, enter_change, known_change
from registry.lists import clipped
from registry.records import Event, Inclusion, WitnessRecord
from registry.schema import ChangeRow, EventRow, KeyRow, LeafRow, MemberRow
from registry.settings import read_settings

EVENT = "log"
"""Kind of the events about heads."""


class LogState(NamedTuple):
    """A state of the log, unsigned."""

    size: int
    root: str
    proof: tuple[str, ...]
    """That it begins with the entries of the head that was asked about."""
    rollback: Sealed | None


def state(connection: Connection, since: int | None) -> LogState:
    """The present state, with the proof for a head of `since` entries, if the log has more than that.

    Raises:
        Refusal: when entries are missing.
    """
    size = leaves.size(connection)
    spans = [] if since is None else consistency_spans(since, size)
    root, *proof = _hashes(connection, [(0, size), *spans])
    query = select(ChangeRow.sealed).where(ChangeRow.subject == _registry(connection), ChangeRow.kind == "rollback")
    text = connection.execute(query.order_by(ChangeRow.number.desc()).limit(1)).scalar()
    return LogState(size, root, tuple(proof), None if text is None else Sealed.from_json(text))


def inclusion(connection: Connection, version: str, size: int) -> Inclusion:
    """The entry of a version, and the proof that the log of `size` entries has it.

    Raises:
        Refusal: when it has not.
    """
    query = select(LeafRow.position, LeafRow.about, EventRow).join(EventRow, EventRow.number == LeafRow.event)
    named = query.where(EventRow.subject == version, EventRow.kind == "version").order_by(LeafRow.position)
    row = connection.execute(named.limit(1)).mappings().first()
    if row is None or not row["position"] < size <= leaves.size(connection):
        raise Refusal(f"the log's first {size} entries have none of version {version[:12]}…")
    values = dict(row)
    position, about = values.pop("position"), values.pop("about")
    proof = _hashes(connection, inclusion_spans(position, size))
    return Inclusion(position=position, event=Event.model_validate(values), about=about, proof=tuple(proof))


def witness(connection: Connection, sealed: Sealed, change: Witness) -> None:
    """Keep a member's signature of a head; another one by the same key changes nothing.

    Raises:
        Refusal: for a head that this log never had, and as other changes of members.
    """
    if known_change(connection, sealed) is not None:
        return
    check_change(connection, change)
    if change.size > leaves.size(connection) or _hashes(connection, [(0, change.size)]) != [change.root]:
        raise Refusal(
            f"this log never had a head {change.root[:12]}… of {change.size} entries; keep that one as evidence"
        )
    same = (ChangeRow.subject == change.root, ChangeRow.kind == change.kind, ChangeRow.node == sealed.node)
    if connection.execute(select(ChangeRow.number).where(*same).limit(1)).first() is not None:
        return
    enter_change(connection, sealed, change)
    text = f"head of {change.size} entries witnessed by {by(sealed, change)}"
    record_event(connection, EVENT, change.root, text, about=sealed.digest)


def state_rollback(connection: Connection, sealed: Sealed, change: Rollback) -> None:
    """Keep an owner's statement that the log was set back; once more changes nothing.

    Raises:
        Refusal: for another registry, a clock that is wrong, and without a reason.
    """
    if known_change(connection, sealed) is not None:
        return
    check_change(connection, change)
    if not change.message.strip():
        raise Refusal("say why with -m: readers are told")
    enter_change(connection, sealed, change)
    before = "" if change.size is None else f" from {change.size} entries"
    text = f"set back{before}, says {by(sealed, change)}: {change.message}"
    record_event(connection, EVENT, change.registry, text, about=sealed.digest)


def witnesses(connection: Connection, before: int | None, limit: int) -> list[WitnessRecord]:
    """Heads that members signed, the latest first."""
    query = (
        select(ChangeRow.number, ChangeRow.sealed, MemberRow.name)
        .outerjoin(KeyRow, KeyRow.key == ChangeRow.node)
        .outerjoin(MemberRow, MemberRow.id == KeyRow.member)
        .where(ChangeRow.kind == "witness")
    )
    if before is not None:
        query = query.where(ChangeRow.number < before)
    found = []
    for row in connection.execute(query.order_by(ChangeRow.number.desc()).limit(clipped(limit))):
        sealed = Sealed.from_json(row.sealed)
        change = Witness.from_json(sealed.body)
        values = {"size": change.size, "root": change.root, "at": change.at, "key": sealed.node, "sealed": sealed}
        found.append(WitnessRecord.model_validate({**values, "number": row.number, "member": row.name}))
    return found


def _registry(connection: Connection) -> str:
    return str(read_settings(connection).registry)


def _hashes(connection: Connection, spans: list[Span]) -> list[str]:
    try:
        return [one.hex() for one in leaves.hashes_of(connection, spans)]
    except KeyError as error:
        raise Refusal("entries of this registry's log are missing; `ratatouille verify --all` names them") from error
