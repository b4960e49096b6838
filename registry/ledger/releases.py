"""Aliases, which maintainers move, and tags, which mean one version for ever.

A move is compare-and-set: it names the version at which its signer saw the alias, and is refused when another move came
first. Nothing is overwritten, so the moves of an alias are its history, and an undo is one more move.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.orm import aliased

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Move, Tag
from ratatouille.exchange.signing import Sealed
from registry.ledger.event_log import record_event
from registry.ledger.obligations import uncounted
from registry.ledger.reviews import refuse_not_taken
from registry.ledger.signed_changes import author_of, by, enter_change, known_change
from registry.lists import CHUNK, MOST_ROWS, clipped
from registry.records import AliasMove, Naming, TagRecord
from registry.schema import AliasRow, ChangeRow, TagRow, VersionRow
from registry.texts import HEXADECIMAL

_later = aliased(AliasRow)
_POINTING = (
    select(AliasRow.name, AliasRow.version)
    .where(~exists().where(_later.name == AliasRow.name, _later.number > AliasRow.number))
    .order_by(AliasRow.name)
)
_TAGGED = select(TagRow.name, TagRow.version).order_by(TagRow.name)
_VERSIONS: BindParameter[Any] = bindparam("versions", expanding=True)
_POINTING_AT = _POINTING.where(AliasRow.version.in_(_VERSIONS))
_TAGGED_AS = _TAGGED.where(TagRow.version.in_(_VERSIONS))

_WANTED: BindParameter[Any] = bindparam("wanted")
_ALIAS_TARGET = select(AliasRow.version).where(AliasRow.name == _WANTED).order_by(AliasRow.number.desc()).limit(1)
_TAG_TARGET = select(TagRow.version).where(TagRow.name == _WANTED)
_TAGS = (
    select(TagRow, ChangeRow.sealed)
    .join(ChangeRow, ChangeRow.number == TagRow.change)
    .order_by(TagRow.name)
    .limit(bindparam("most", type_=Integer))
)
_TAG_NAMED = _TAGS.where(TagRow.name == _WANTED)
_TAGS_OF = _TAGS.where(TagRow.version == _WANTED)
_TAGS_AFTER = _TAGS.where(TagRow.name > bindparam("after"))


def move_alias(connection: Connection, sealed: Sealed, move: Move) -> AliasMove:
    """Point an alias at a version.

    Raises:
        Refusal: for a name that could be mistaken, an unknown version, or an alias that was moved meanwhile.
    """
    if (known := known_change(connection, sealed)) is not None:
        return _moves(connection, AliasRow.change == known)[0]
    _check_name(move.name)
    if tag_target(connection, move.name) is not None:
        raise Refusal(f"{move.name} is a tag, and a tag never moves; choose another name for the alias")
    _check_version(connection, move.version)
    last = alias_history(connection, move.name, limit=1)
    points_at = last[0].version if last else None
    if points_at != move.before:
        raise Refusal(_moved_meanwhile(move, last))
    change = enter_change(connection, sealed, move)
    row = {"name": move.name, "version": move.version, "before": move.before, "undo": move.undo}
    connection.execute(insert(AliasRow).values(**row, message=move.message, change=change, at=time.time()))
    text = f"{move.name}: {_short(move.before)} → {_short(move.version)} by {by(sealed, move)}"
    text = f"{text}: {move.message}" if move.message else text
    record_event(connection, "alias", move.name, text, about=sealed.digest)
    return _moves(connection, AliasRow.change == change)[0]


def follow(connection: Connection, move: Naming, message: str, sealed: Sealed, change: int) -> None:
    """Point an alias at what took the place of the version that it pointed at: a move by a retraction."""
    name, before, version = move.name, move.version, move.replacement
    row = {"name": name, "version": version, "before": before, "undo": False}
    connection.execute(insert(AliasRow).values(**row, message=message, change=change, at=time.time()))
    text = f"{name}: {_short(before)} → {_short(version)}: {message}"
    record_event(connection, "alias", name, text, about=sealed.digest)


def add_tag(connection: Connection, sealed: Sealed, tag: Tag) -> TagRecord:
    """Give a version a name for ever; giving it again changes nothing.

    Raises:
        Refusal: for a name that could be mistaken or means another version, or an unknown version.
    """
    _check_name(tag.name)
    if alias_target(connection, tag.name) is not None:
        raise Refusal(f"{tag.name} is an alias, which moves; choose another name for the tag")
    target = tag_target(connection, tag.name)
    if target is None:
        _check_version(connection, tag.version)
        change = enter_change(connection, sealed, tag)
        connection.execute(insert(TagRow).values(name=tag.name, version=tag.version, change=change))
        text = f"{tag.name}: {_short(tag.version)} by {by(sealed, tag)}"
        text = f"{text}: {tag.message}" if tag.message else text
        record_event(connection, "tag", tag.name, text, about=sealed.digest)
    elif target != tag.version:
        raise Refusal(f"tag {tag.name} means {target[:12]}… for ever; choose another name")
    return _tag_records(connection, _TAG_NAMED, {"wanted": tag.name, "most": 1})[0]


def alias_history(
    connection: Connection, name: str, before: int | None = None, limit: int = MOST_ROWS
) -> list[AliasMove]:
    """Moves of an alias, latest first, those before a move's number."""
    which = [AliasRow.name == name]
    if before is not None:
        which.append(AliasRow.number < before)
    return _moves(connection, *which, limit=clipped(limit))


def aliases(connection: Connection, after: str = "", limit: int | None = None) -> dict[str, str]:
    """Aliases and the versions they point at, by name, those after a name."""
    last = select(func.max(AliasRow.number)).where(AliasRow.name > after).group_by(AliasRow.name)
    query = select(AliasRow.name, AliasRow.version).where(AliasRow.number.in_(last)).order_by(AliasRow.name)
    return {row.name: row.version for row in connection.execute(query.limit(limit))}


def tags(connection: Connection, after: str = "", limit: int = MOST_ROWS) -> list[TagRecord]:
    """Tags by name, those after a name."""
    return _tag_records(connection, _TAGS_AFTER, {"after": after, "most": clipped(limit)})


def tags_of(connection: Connection, version: str) -> list[TagRecord]:
    """The tags of a version, by name."""
    return _tag_records(connection, _TAGS_OF, {"wanted": version, "most": MOST_ROWS})


def _tag_records(connection: Connection, query: Select[TagRow, str], values: dict[str, Any]) -> list[TagRecord]:
    found = []
    for row in connection.execute(query, values):
        sealed = Sealed.from_json(row.sealed)
        tag = Tag.from_json(sealed.body)
        values = {"name": row.name, "version": row.version, "message": tag.message, "author": tag.author, "at": tag.at}
        found.append(TagRecord.model_validate({**values, "node": sealed.node}))
    return found


def tag_target(connection: Connection, name: str) -> str | None:
    """What a tag means."""
    return connection.execute(_TAG_TARGET, {"wanted": name}).scalar()


def alias_target(connection: Connection, name: str) -> str | None:
    """Where an alias points now."""
    return connection.execute(_ALIAS_TARGET, {"wanted": name}).scalar()


def names(connection: Connection, versions: Sequence[str]) -> dict[str, list[str]]:
    """The aliases and tags of each of these versions that has some, aliases first; for very many, of others too."""
    few = len(versions) <= CHUNK
    pointing, tagged = (_POINTING_AT, _TAGGED_AS) if few else (_POINTING, _TAGGED)
    some = {"versions": versions} if few else {}
    found: dict[str, list[str]] = {}
    for name, version in [*connection.execute(pointing, some), *connection.execute(tagged, some)]:
        found.setdefault(version, []).append(name)
    return found


def ever_named(connection: Connection) -> set[str]:
    """Versions that an alias ever pointed at, or that are tagged."""
    found: set[str] = set()
    for column in (AliasRow.version, AliasRow.before, TagRow.version):
        found.update(id for id in connection.execute(select(column).distinct()).scalars() if id is not None)
    return found


def _moves(connection: Connection, *which: ColumnElement[bool], limit: int = 1) -> list[AliasMove]:
    columns = [column for column in AliasRow.__table__.columns if column.name != "change"]
    query = (
        select(*columns, ChangeRow.kind, ChangeRow.sealed)
        .outerjoin(ChangeRow, ChangeRow.number == AliasRow.change)
        .where(*which)
        .order_by(AliasRow.number.desc())
        .limit(limit)
    )
    moves, rows = [], connection.execute(query).mappings().all()
    waiting = uncounted(connection, {row["version"] for row in rows if row["kind"] == "retract"})
    for row in rows:
        values = dict(row)
        values["not_evaluated"] = row["kind"] == "retract" and row["version"] in waiting
        kind, text = values.pop("kind"), values.pop("sealed")
        if text is not None:
            sealed = Sealed.from_json(text)
            values |= {"node": sealed.node, "author": author_of(kind, sealed)}
        moves.append(AliasMove.model_validate(values))
    return moves


def _check_name(name: str) -> None:
    if HEXADECIMAL.fullmatch(name):
        raise Refusal(f"{name} could be the beginning of an id; choose a name with another letter than a to f")


def _check_version(connection: Connection, version: str) -> None:
    state = connection.execute(select(VersionRow.state).where(VersionRow.id == version)).scalar()
    if state is None:
        raise Refusal(f"there is no version {version[:12]}…; `ratatouille log` shows those that there are")
    if state != "admitted":
        raise Refusal(f"version {version[:12]}… is {state}; release another one")
    refuse_not_taken(connection, version)


def _moved_meanwhile(move: Move, last: Sequence[AliasMove]) -> str:
    if not last:
        return f"alias {move.name} does not exist (any more); look at `ratatouille release --history {move.name}`"
    who = last[0].author or (f"{last[0].node[:12]}…" if last[0].node else "somebody")
    return (
        f"{move.name} was moved by {who} to {last[0].version[:12]}… meanwhile; look at what they released, "
        "then run this again"
    )


def _short(version: str | None) -> str:
    return version[:12] if version else "nothing"
