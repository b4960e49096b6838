"""Signed changes and what they did: who moved an alias, set a tag or took a version back, and whether that stands.

An alias's moves are a chain: each says where the alias pointed before. Version 0.1 did not sign; once a registry has
signed moves, an unsigned one is the work of other hands.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ratatouille.errors import Refusal
from ratatouille.exchange.change import CHANGES, Change, Move, Restore, Retract, RetractCounts, Tag
from ratatouille.exchange.signing import Sealed, unseal
from registry.audit.look import Batch, checks, expect, findings, rows_after
from registry.ledger.signed import may_return
from registry.schema import AliasRow, ChangeRow, ContributionRow, TagRow, VersionRow
from registry.storage import Storage


def look(storage: Storage, after: str) -> Batch:
    """The next changes."""
    batch = Batch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(ChangeRow), ChangeRow.number, after)
        for row in rows:
            found = checks([("change", partial(_change, row)), ("effect", partial(_effect, connection, row))])
            batch.findings += findings("changes", f"{row.kind} {row.subject} ({row.number})", found)
            batch.last = str(row.number)
    batch.looked = len(rows)
    return batch


def look_at_aliases(storage: Storage, after: str) -> Batch:
    """The next moves of aliases."""
    batch = Batch(after)
    with storage.database.read() as connection:
        rows = rows_after(connection, select(AliasRow), AliasRow.number, after)
        signed = select(func.min(AliasRow.number)).where(AliasRow.change.is_not(None))
        first = connection.execute(signed).scalar()
        for row in rows:
            rules = [("before", partial(_before, connection, row)), ("signature", partial(_signature, row, first))]
            batch.findings += findings("aliases", f"{row.name} ({row.number})", checks(rules), [row.version])
            batch.last = str(row.number)
    batch.looked = len(rows)
    return batch


def _change(row: Row[Any]) -> str:
    sealed, change = _unseal(row)
    expect(sealed.digest, row.digest, "digest")
    expect(sealed.node, row.node, "node")
    expect(change.subject, row.subject, "subject")
    return f"signed by {row.node[:12]}…"


def _unseal(row: Row[Any]) -> tuple[Sealed, Change]:
    if row.kind not in CHANGES:
        raise Refusal(f"{row.kind!r} is no kind of change")
    sealed = Sealed.from_json(row.sealed)
    return sealed, unseal(sealed, CHANGES[row.kind])


def _effect(connection: Connection, row: Row[Any]) -> str:
    """What the change did is there, and says the same."""
    try:
        change = _unseal(row)[1]
    except Refusal:  # it was said above
        return "unknown"
    if isinstance(change, Move):
        moves = connection.execute(select(AliasRow).where(AliasRow.change == row.number)).all()
        said = (change.name, change.version, change.before, change.undo, change.message)
        _only([(one.name, one.version, one.before, one.undo, one.message) for one in moves], said, "move of the alias")
    elif isinstance(change, Tag):
        tags = connection.execute(select(TagRow).where(TagRow.change == row.number)).all()
        _only([(one.name, one.version) for one in tags], (change.name, change.version), "tag")
    elif isinstance(change, Retract):
        if connection.execute(select(VersionRow.id).where(VersionRow.id == change.version)).first() is None:
            raise Refusal("the version that it takes back is missing")
        _stays_away(connection, change.version)
    elif isinstance(change, RetractCounts | Restore):
        _of_receipt(connection, row, change)
    return "it stands"


def _stays_away(connection: Connection, version: str) -> None:
    """A version that was taken back does not stand again, unless somebody signed that its receipt may return."""
    query = select(VersionRow.receipt, VersionRow.state).where(VersionRow.id == version)
    row = connection.execute(query).one()
    if row.receipt is not None and row.state == "admitted" and not may_return(connection, row.receipt):
        raise Refusal("the version that it takes back stands again, and nobody signed that")


def _of_receipt(connection: Connection, row: Row[Any], change: RetractCounts | Restore) -> None:
    """Counts that were taken back stay so until they are restored; closed questions are their change alone."""
    query = select(ContributionRow.state).where(ContributionRow.receipt == change.receipt)
    state = connection.execute(query).scalar()
    if state is None:
        raise Refusal("the receipt that it is about is missing")
    later = select(ChangeRow.number).where(ChangeRow.subject == change.receipt, ChangeRow.number > row.number)
    if isinstance(change, RetractCounts) and state != "retracted" and connection.execute(later).first() is None:
        raise Refusal(f"the counts that it takes back are {state}")


def _only(done: list[tuple[Any, ...]], said: tuple[Any, ...], what: str) -> None:
    if not done:
        raise Refusal(f"the {what} that it signs is missing")
    if done != [said]:
        raise Refusal(f"the {what} is not what was signed")


def _before(connection: Connection, row: Row[Any]) -> str:
    query = select(AliasRow.version).where(AliasRow.name == row.name, AliasRow.number < row.number)
    last = connection.execute(query.order_by(AliasRow.number.desc()).limit(1)).scalar()
    expect(last, row.before, "where it pointed before")
    return "as it was"


def _signature(row: Row[Any], first: int | None) -> str:
    if row.change is None and first is not None and row.number > first:
        raise Refusal("nobody signed this move")
    return "signed" if row.change is not None else "by version 0.1, which did not sign"
