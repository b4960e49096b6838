"""Questions about members: records of them and of invitations, by page, by name and by key."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import MemberRole
from registry.lists import chunks, clipped, fitting
from registry.records import FlowerKey, InvitationRecord, KeyRecord, MemberRecord, Membership
from registry.schema import InvitationRow, KeyRow, MemberRow
from registry.texts import HEXADECIMAL

_MEMBERS = select(MemberRow.__table__)
_KEYS = select(KeyRow.__table__).order_by(KeyRow.created, KeyRow.key)
_INVITATIONS = select(InvitationRow.__table__).order_by(InvitationRow.created.desc(), InvitationRow.id)
WORKING: tuple[MemberRole, ...] = ("contributor", "maintainer", "owner")
"""Roles whose nodes may work."""


def member_record(connection: Connection, id: str) -> MemberRecord:
    """The member with this id.

    Raises:
        Refusal: for none.
    """
    found = _records(connection, connection.execute(_MEMBERS.where(MemberRow.id == id)).all())
    if not found:
        raise Refusal(f"there is no member {id[:12]}… here; `ratatouille members list` shows those that there are")
    return found[0]


def find_member(connection: Connection, name_or_key: str) -> MemberRecord:
    """The member with this name, or with a key that begins so (4 characters or more).

    Raises:
        Refusal: for none, or several.
    """
    named = select(MemberRow.id).where(func.lower(MemberRow.name) == name_or_key.lower())
    id = connection.execute(named).scalar()
    if id is None and HEXADECIMAL.fullmatch(name_or_key):
        begun = select(KeyRow.member).where(KeyRow.key.startswith(name_or_key, autoescape=True)).distinct().limit(2)
        found = connection.execute(begun).scalars().all()
        if len(found) > 1:
            raise Refusal(f"keys of several members begin with {name_or_key}; type more of it")
        id = found[0] if found else None
    if id is None:
        raise Refusal(f"there is no member {name_or_key[:80]!r} here; `ratatouille members list` shows those there are")
    return member_record(connection, id)


def members(connection: Connection, after: str, limit: int) -> list[MemberRecord]:
    """Members by name; the next page begins after the last one's name."""
    query = _MEMBERS.where(MemberRow.name > after).order_by(MemberRow.name).limit(clipped(limit))
    found = _records(connection, connection.execute(query).all())
    return list(fitting(found, lambda one: 400 + 500 * len(one.keys)))


def _records(connection: Connection, rows: Sequence[Row[Any]]) -> list[MemberRecord]:
    keys: dict[str, list[KeyRecord]] = defaultdict(list)
    for some in chunks([row.id for row in rows]):
        for one in connection.execute(_KEYS.where(KeyRow.member.in_(some))).mappings():
            shown = {name: one[name] for name in KeyRecord.model_fields}
            keys[one["member"]].append(KeyRecord.model_validate(shown))
    return [MemberRecord.model_validate({**row._mapping, "keys": tuple(keys[row.id])}) for row in rows]


def all_keys(connection: Connection, keys: Sequence[str]) -> list[str]:
    """These keys, and all other keys of the members that they belong to: what one person has signed."""
    found = dict.fromkeys(keys)
    for some in chunks(list(found)):
        theirs = select(KeyRow.member).where(KeyRow.key.in_(some))
        same = select(KeyRow.key).where(KeyRow.member.in_(theirs)).order_by(KeyRow.created, KeyRow.key)
        found |= dict.fromkeys(connection.execute(same).scalars())
    return list(found)


def memberships(connection: Connection, keys: Iterable[str]) -> dict[str, Membership]:
    """The members that these keys belong to, by key; a key of nobody known is left out."""
    found = {}
    columns = (MemberRow.id.label("member"), MemberRow.name, MemberRow.role, MemberRow.state)
    query = select(KeyRow.key, *columns).join(MemberRow, MemberRow.id == KeyRow.member)
    for some in chunks(sorted(keys)):
        for row in connection.execute(query.where(KeyRow.key.in_(some))):
            found[row.key] = Membership(member=row.member, name=row.name, role=row.role, state=row.state)
    return found


def same_person(connection: Connection, first: str, second: str) -> bool:
    """Whether two keys are one, or one member's."""
    return first == second or second in all_keys(connection, [first])


def invitation_record(connection: Connection, id: str) -> InvitationRecord:
    """The invitation with this id.

    Raises:
        Refusal: for none.
    """
    row = connection.execute(_INVITATIONS.where(InvitationRow.id == id)).first()
    if row is None:
        raise Refusal(f"there is no invitation {id[:12]}… here; `ratatouille members list --invitations` shows them")
    return _invitation(row)


def invitations(connection: Connection, limit: int) -> list[InvitationRecord]:
    """Invitations, the latest first."""
    return [_invitation(row) for row in connection.execute(_INVITATIONS.limit(clipped(limit)))]


def _invitation(row: Row[Any]) -> InvitationRecord:
    state = row.state
    if state == "open" and row.used >= row.uses:
        state = "used"
    elif state == "open" and row.expires <= time.time():
        state = "expired"
    return InvitationRecord.model_validate({**row._mapping, "state": state})


def flower_keys(connection: Connection) -> list[FlowerKey]:
    """The Flower keys of all nodes that may work."""
    query = (
        select(KeyRow.key.label("node"), KeyRow.flower, KeyRow.name)
        .join(MemberRow, MemberRow.id == KeyRow.member)
        .where(KeyRow.kind == "node", KeyRow.state == "active", KeyRow.flower.is_not(None))
        .where(MemberRow.state == "active", MemberRow.role.in_(WORKING))
        .order_by(KeyRow.key)
    )
    return [FlowerKey.model_validate(dict(row)) for row in connection.execute(query).mappings()]
