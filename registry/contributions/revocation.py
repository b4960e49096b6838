"""Changes of members that end something: a role that is taken, keys that are revoked or lost, and approval before it.

A revocation is one transaction: the keys are dead, their sessions are gone, their leases are given back, their offers
have ended, and no invitation of theirs lets anybody in. What they signed before stays in the history, where a
maintainer may retract it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import Approve, Link, Revoke, SetRole
from ratatouille.exchange.signing import Sealed
from registry.caller import includes
from registry.contributions.entitlements import end_holdings
from registry.ledger.members.changes import check_change, keep
from registry.ledger.members.invitations import (
    close_invitations,
    end_flower_keys,
    enter_key,
    refuse_too_many_keys,
)
from registry.ledger.members.queries import member_record
from registry.ledger.members.standing import refuse_higher_role, refuse_revoked, signer_role, standing_of
from registry.ledger.signed_changes import known_change
from registry.records import MemberRecord, Membership
from registry.schema import InvitationRow, KeyRow, LeaseRow, MemberRow, OfferRow, SessionRow


class Ended(NamedTuple):
    """What a revocation ended."""

    keys: tuple[str, ...] = ()
    leases: int = 0
    offers: int = 0
    invitations: int = 0


def approve(connection: Connection, sealed: Sealed, change: Approve) -> Membership:
    """Let a member in who waits; approving an active one changes nothing.

    Raises:
        Refusal: for a signer who may not, and a member who was revoked.
    """
    if known_change(connection, sealed) is None:
        found = _changed(connection, sealed, change)
        if found.state == "waiting":
            keep(connection, sealed, change, f"{found.name} approved as {found.role}")
            _set(connection, found.id, state="active")
    return member_record(connection, change.member).membership


def set_role(connection: Connection, sealed: Sealed, change: SetRole) -> Membership:
    """Give a member another role; where its nodes may not work any more, their work ends.

    Raises:
        Refusal: for a signer who may not, a role beyond theirs, and a member who was revoked.
    """
    if known_change(connection, sealed) is None:
        found = _changed(connection, sealed, change)
        refuse_higher_role(signer_role(connection, sealed, "maintainer"), change.role)
        if found.role != change.role:
            keep(connection, sealed, change, f"{found.name} is a {change.role}, and was a {found.role}")
            _set(connection, found.id, role=change.role)
            if not includes(change.role, "contributor"):
                _end_work(connection, [one.key for one in found.keys])
    return member_record(connection, change.member).membership


def link(connection: Connection, sealed: Sealed, change: Link) -> Membership:
    """Enter a new device key of a member; the lost one that it replaces is revoked.

    Raises:
        Refusal: for a signer who may not, a key that is entered already, and a lost key that is not the member's.
    """
    if known_change(connection, sealed) is None:
        found = _changed(connection, sealed, change)
        known = standing_of(connection, change.key)
        if known is not None and not (known.live and known.member == found.id and known.kind == "device"):
            raise Refusal(f"key {change.key[:12]}… is entered already, of {known.name}; link a new key")
        lost = _keys_under(found, change.replaces) if change.replaces is not None else ()
        if known is None:
            refuse_too_many_keys(connection, found.id)
            instead = f" in place of {change.replaces[:12]}…" if change.replaces else ""
            keep(connection, sealed, change, f"key {change.key[:12]}… linked to {found.name}{instead}")
            name = next((one.name for one in found.keys if one.key == change.replaces), found.name)
            enter_key(connection, change.key, found.id, "device", name, replaces=change.replaces)
        if lost:
            _end_keys(connection, lost)
    return member_record(connection, change.member).membership


def revoke(connection: Connection, sealed: Sealed, change: Revoke) -> Ended:
    """Take keys of a member away: a maintainer's right, and the member's own; once more changes nothing.

    Raises:
        Refusal: for a signer who may not, and a key that is not the member's.
    """
    found = member_record(connection, change.member)
    if known_change(connection, sealed) is not None:
        return Ended(tuple(one.key for one in found.keys if one.state == "revoked"))
    check_change(connection, change)
    own = refuse_revoked(connection, sealed.node)
    mine = own is not None and own.member == found.id
    role = signer_role(connection, sealed, "reader" if mine else "maintainer")
    if not mine:
        refuse_higher_role(role, found.role)
    keys = [one.key for one in found.keys] if change.key is None else _keys_under(found, change.key)
    alive = tuple(one.key for one in found.keys if one.key in keys and one.state != "revoked")
    if not alive and (change.key is not None or found.state == "revoked"):
        return Ended(tuple(keys))
    what = f"{found.name} revoked" if change.key is None else f"key {change.key[:12]}… of {found.name} revoked"
    keep(connection, sealed, change, what)
    came_by = [InvitationRow.id == found.invitation, InvitationRow.member == found.id]
    closed: ColumnElement[bool] = or_(InvitationRow.maker.in_(keys), *(came_by if change.key is None else ()))
    invitations = close_invitations(connection, closed)
    if change.key is None:
        _set(connection, found.id, state="revoked")
    return _end_keys(connection, alive)._replace(invitations=invitations)


def _changed(connection: Connection, sealed: Sealed, change: Approve | SetRole | Link) -> MemberRecord:
    """The member that a maintainer changes."""
    check_change(connection, change)
    role = signer_role(connection, sealed, "maintainer")
    found = member_record(connection, change.member)
    refuse_higher_role(role, found.role)
    if found.state == "revoked":
        raise Refusal(f"{found.name} was revoked, which is for ever; invite them anew with another key")
    return found


def _set(connection: Connection, member: str, **values: str) -> None:
    row = update(MemberRow).where(MemberRow.id == member)
    connection.execute(row.values(**values, changed=time.time()))


def _keys_under(found: MemberRecord, key: str) -> tuple[str, ...]:
    """A key of a member, and those of the nodes that it entered."""
    if key not in {one.key for one in found.keys}:
        raise Refusal(
            f"key {key[:12]}… is not a key of {found.name}; `ratatouille members show {found.name}` lists them"
        )
    return (key, *(one.key for one in found.keys if one.device == key))


def _end_keys(connection: Connection, keys: Sequence[str]) -> Ended:
    revoked = update(KeyRow).where(KeyRow.key.in_(keys), KeyRow.state != "revoked")
    connection.execute(revoked.values(state="revoked", changed=time.time()))
    connection.execute(delete(SessionRow).where(SessionRow.key.in_(keys)))
    return _end_work(connection, keys)


def _end_work(connection: Connection, keys: Sequence[str]) -> Ended:
    """Give back the leases of these keys, and end their offers and their keys for Flower."""
    now = time.time()
    held = update(LeaseRow).where(LeaseRow.node.in_(keys), LeaseRow.released.is_(None))
    live = select(LeaseRow.work_id).where(LeaseRow.node.in_(keys), LeaseRow.expires > now)
    leases = len(connection.execute(live).all())
    connection.execute(held.values(expires=now, released=now))
    stood = update(OfferRow).where(OfferRow.node.in_(keys), OfferRow.expires > now)
    offers = connection.execute(stood.values(expires=now)).rowcount
    for key in keys:
        end_holdings(connection, key, now)
    end_flower_keys(connection, keys)
    return Ended(tuple(keys), leases, offers)
