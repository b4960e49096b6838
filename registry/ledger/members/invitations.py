"""Invitations, and enrolment by them: a key is entered and the use is counted in one transaction.

An enrolment that comes again is answered as the first time, whatever has become of the invitation. One that fails
consumes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import (
    Enrolment,
    Invite,
    InviteDevice,
    MemberRole,
    RevokeInvitation,
    invitation_id,
)
from ratatouille.exchange.signing import Sealed
from registry.ledger.members.changes import check_change, check_clock, check_registry, keep
from registry.ledger.members.queries import invitation_record, member_record
from registry.ledger.members.standing import refuse_higher_role, refuse_revoked, signer_role
from registry.ledger.signed_changes import known_change
from registry.moments import day
from registry.records import InvitationRecord, Membership
from registry.schema import EnrolmentRow, InvitationRow, KeyRow, MemberRow

LONGEST_SECONDS = 366 * 24 * 3600.0
"""The longest life of an invitation."""
MEMBER_KEYS = 1000
"""Keys of one member, those that were revoked or replaced too."""


def invite(connection: Connection, sealed: Sealed, change: Invite) -> InvitationRecord:
    """Enter an invitation for new members.

    Raises:
        Refusal: for a role beyond the signer's, a name that is taken, and a time of life that cannot be.
    """
    if known_change(connection, sealed) is None:
        check_change(connection, change)
        refuse_higher_role(signer_role(connection, sealed, "maintainer"), change.role)
        if change.name is not None:
            if change.uses > 1:
                raise Refusal("a name is for one member: invite several without a name, or each with an own invitation")
            refuse_taken_name(connection, change.name)
        _enter(connection, sealed, change, change.role, name=change.name, uses=change.uses, approve=change.approve)
        who = f"{change.name} as {change.role}" if change.name else f"{change.uses} with the role {change.role}"
        keep(connection, sealed, change, f"{who} invited until {day(change.expires)}")
    return invitation_record(connection, change.invitation)


def invite_device(connection: Connection, sealed: Sealed, change: InviteDevice) -> InvitationRecord:
    """Enter an invitation for one more device of the signer's member.

    Raises:
        Refusal: for a signer who is no member, and a time of life that cannot be.
    """
    if known_change(connection, sealed) is None:
        check_change(connection, change)
        signer_role(connection, sealed, "reader")
        found = refuse_revoked(connection, sealed.node)
        if found is None:
            raise Refusal("you are no member of this registry yet; join by an invitation first")
        _enter(connection, sealed, change, found.role, member=found.member)
        keep(connection, sealed, change, f"another device of {found.name} invited until {day(change.expires)}")
    return invitation_record(connection, change.invitation)


def _enter(
    connection: Connection,
    sealed: Sealed,
    change: Invite | InviteDevice,
    role: MemberRole,
    *,
    name: str | None = None,
    member: str | None = None,
    uses: int = 1,
    approve: bool = False,
) -> None:
    now = time.time()
    if not now < change.expires <= now + LONGEST_SECONDS:
        raise Refusal(f"an invitation lives at most {LONGEST_SECONDS / 86400:.0f} days, and longer than no time")
    if _invitation(connection, change.invitation) is not None:
        raise Refusal("this secret is an earlier invitation's; invite with a new one")
    row: dict[str, Any] = {"id": change.invitation, "role": role, "name": name, "member": member, "uses": uses}
    row |= {"used": 0, "approve": approve, "expires": change.expires, "state": "open"}
    row |= {"maker": sealed.node, "created": now}
    connection.execute(insert(InvitationRow).values(**row))


def revoke_invitation(connection: Connection, sealed: Sealed, change: RevokeInvitation) -> InvitationRecord:
    """Let nobody in by an invitation any more: a maintainer's right, and its maker's.

    Raises:
        Refusal: for an unknown invitation, and a signer who may not.
    """
    if known_change(connection, sealed) is None:
        check_change(connection, change)
        found = invitation_record(connection, change.invitation)
        signer_role(connection, sealed, "reader" if found.maker == sealed.node else "maintainer")
        if found.state == "open":
            keep(connection, sealed, change, "invitation revoked")
            close_invitations(connection, InvitationRow.id == change.invitation)
    return invitation_record(connection, change.invitation)


def close_invitations(connection: Connection, which: ColumnElement[bool]) -> int:
    """Let nobody in by the open ones of these invitations; returns how many they are."""
    opened = (which, InvitationRow.state == "open", InvitationRow.used < InvitationRow.uses)
    return connection.execute(update(InvitationRow).where(*opened).values(state="revoked")).rowcount


def find_open(connection: Connection, registry: str, secret: str) -> InvitationRecord:
    """The invitation with this secret.

    Raises:
        Refusal: as `enrol` would, for one that is another registry's, or that lets nobody in.
    """
    check_registry(connection, registry, "invitation")
    _check_open(_invitation(connection, invitation_id(secret)))
    return invitation_record(connection, invitation_id(secret))


def enrol(connection: Connection, sealed: Sealed, change: Enrolment, secret: str) -> Membership:
    """Enter a key by an invitation, once; a key that is a member's already is answered what it is.

    Raises:
        Refusal: for an invitation that is unknown, another registry's, expired, used up or revoked, for a clock that
            is wrong, a key that was revoked, and a name that is taken.
    """
    if change.key != sealed.node or change.invitation != invitation_id(secret):
        raise Refusal("this enrolment is not signed by its key, or for another invitation; join again")
    check_registry(connection, change.registry, "invitation")
    found = known_membership(connection, change.key)
    if found is not None:
        return found
    row = _invitation(connection, change.invitation)
    _check_open(row)
    assert row is not None
    check_clock(change.at)
    now = time.time()
    member = row.member or change.key
    if row.member is None:
        name, state = row.name or change.name, "waiting" if row.approve else "active"
        refuse_taken_name(connection, name)
        keep(connection, sealed, change, f"{name} joined as {row.role}{', and waits' if row.approve else ''}")
        values = {"id": member, "name": name, "role": row.role, "state": state, "invitation": row.id}
        connection.execute(insert(MemberRow).values(**values, created=now, changed=now))
    else:
        owner = member_record(connection, member)
        if owner.state != "active":
            raise Refusal(f"{owner.name} was revoked, so no device of theirs is let in; ask for a new invitation")
        refuse_too_many_keys(connection, member)
        keep(connection, sealed, change, f"device {change.name} of {owner.name} joined")
    enter_key(connection, change.key, member, "device", change.name)
    connection.execute(insert(EnrolmentRow).values(invitation=row.id, key=change.key, at=now))
    connection.execute(update(InvitationRow).where(InvitationRow.id == row.id).values(used=row.used + 1))
    return member_record(connection, member).membership


def known_membership(connection: Connection, key: str) -> Membership | None:
    """The membership of a device key that is known; None for a new key.

    Raises:
        Refusal: for a key that was revoked or replaced, and for a node's.
    """
    row = connection.execute(select(KeyRow.member, KeyRow.kind, KeyRow.state).where(KeyRow.key == key)).first()
    if row is None:
        return None
    if row.kind != "device":
        raise Refusal(f"key {key[:12]}… is a node's; join with the key of your device")
    found = member_record(connection, row.member)
    if row.state != "active" or found.state == "revoked":
        refuse_revoked(connection, key)
    return found.membership


def enter_key(connection: Connection, key: str, member: str, kind: str, name: str, **more: Any) -> None:
    """Enter a new key of a member."""
    now = time.time()
    row = {"key": key, "member": member, "kind": kind, "state": "active", "name": name, "created": now, "changed": now}
    connection.execute(insert(KeyRow).values(**row, **more))


def end_flower_keys(connection: Connection, keys: Sequence[str]) -> None:
    """Take from nodes the keys that they show to Flower: the coordinator unregisters them, which is for ever."""
    shown = update(KeyRow).where(KeyRow.key.in_(keys), KeyRow.flower.is_not(None))
    connection.execute(shown.values(ended_flower=KeyRow.flower, flower=None))


def refuse_taken_name(connection: Connection, name: str) -> None:
    """Refuse a name that a member has, in large letters or small; also one whose member was revoked.

    Raises:
        Refusal: when it is taken.
    """
    taken = select(MemberRow.name).where(func.lower(MemberRow.name) == name.lower()).limit(1)
    if connection.execute(taken).first() is not None:
        raise Refusal(f"a member is called {name} already; choose another name with --name")


def refuse_too_many_keys(connection: Connection, member: str) -> None:
    """Refuse more keys than a member may have.

    Raises:
        Refusal: when there are so many.
    """
    count = select(func.count()).select_from(KeyRow).where(KeyRow.member == member)
    if connection.execute(count).scalar_one() >= MEMBER_KEYS:
        raise Refusal(f"a member may have {MEMBER_KEYS} keys, and these are there; use one of them")


def _invitation(connection: Connection, id: str) -> Row[Any] | None:
    return connection.execute(select(InvitationRow.__table__).where(InvitationRow.id == id)).first()


def _check_open(row: Row[Any] | None) -> None:
    """Refuse an invitation that lets nobody in, each kind with a sentence of its own."""
    if row is None:
        raise Refusal("this registry knows no such invitation; ask a maintainer for a new one")
    if row.state == "revoked":
        raise Refusal("this invitation was revoked by a maintainer; ask for a new one")
    if row.used >= row.uses:
        raise Refusal("this invitation is used up: others have joined by it; ask a maintainer for a new one")
    if row.expires <= time.time():
        raise Refusal(f"this invitation expired on {day(row.expires)}; ask a maintainer for a new one")
