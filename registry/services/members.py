"""Members: who may do what, the keys that they sign with, and the invitations by which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratatouille.exchange.member_changes import (
    Approve,
    Enrolment,
    Invite,
    InviteDevice,
    Link,
    NodeKey,
    Revoke,
    RevokeInvitation,
    Rotate,
    SetRole,
)
from ratatouille.exchange.session import Challenge, Session
from ratatouille.exchange.signing import Sealed, unseal
from registry.lists import MOST_ROWS
from registry.records import Event, FlowerKey, InvitationRecord, MemberRecord, Membership, Revocation
from registry.services.method import ImportedOnUse, Service, method

if TYPE_CHECKING:
    from registry.contributions import revocation
    from registry.history import contributors
    from registry.ledger.members import changes as member_changes
    from registry.ledger.members import invitations as entries
    from registry.ledger.members import keys, queries
    from registry.ledger.members.sessions import Sessions
    from registry.storage import Storage
else:
    revocation = ImportedOnUse("registry.contributions.revocation")
    contributors = ImportedOnUse("registry.history.contributors")
    entries = ImportedOnUse("registry.ledger.members.invitations")
    member_changes = ImportedOnUse("registry.ledger.members.changes")
    keys = ImportedOnUse("registry.ledger.members.keys")
    queries = ImportedOnUse("registry.ledger.members.queries")


class Members(Service):
    """Members, their keys and their invitations. Every change is signed, and kept for ever."""

    def __init__(self, storage: Storage, sessions: Sessions) -> None:
        super().__init__(storage)
        self._sessions = sessions

    @method("anyone")
    def challenge(self) -> Challenge:
        """What a key must sign within a minute to open a session."""
        return self._sessions.challenge()

    @method("anyone")
    def open_session(self, sealed: Sealed) -> Session:
        """Open a session of an hour for a device key (a sealed `SessionRequest`). Its token is sent with each call, as
        `authorization: Bearer TOKEN`.
        """
        return self._sessions.open(sealed)

    @method("maintainer")
    def invite(self, sealed: Sealed) -> InvitationRecord:
        """Enter an invitation (a sealed `Invite`, which has the SHA-256 of its secret). Nobody gives more than
        their own role.
        """
        return self._writing(entries.invite, sealed, unseal(sealed, Invite))

    @method("reader")
    def add_device(self, sealed: Sealed) -> InvitationRecord:
        """Enter an invitation for one more device of the signer's member (a sealed `InviteDevice`)."""
        return self._writing(entries.invite_device, sealed, unseal(sealed, InviteDevice))

    @method("reader")
    def revoke_invitation(self, sealed: Sealed) -> InvitationRecord:
        """Let nobody in by an invitation any more (a sealed `RevokeInvitation`, by its maker or a maintainer)."""
        return self._writing(entries.revoke_invitation, sealed, unseal(sealed, RevokeInvitation))

    @method("maintainer")
    def invitations(self, limit: int = MOST_ROWS) -> list[InvitationRecord]:
        """Invitations, the latest first."""
        return self._reading(queries.invitations, limit)

    @method("anyone")
    def enrol(self, sealed: Sealed, secret: str) -> Membership:
        """Enter a device key by an invitation (a sealed `Enrolment` and the secret). The same key with the same
        invitation is entered once, however often it comes; an enrolment that fails consumes nothing.
        """
        return self._writing(entries.enrol, sealed, unseal(sealed, Enrolment), secret)

    @method("anyone")
    def find_invitation(self, registry: str, secret: str) -> InvitationRecord:
        """What an open invitation gives to the holder of its secret. Nothing is used up.

        Args:
            registry: the id of the registry that it is for.
        """
        return self._reading(entries.find_open, registry, secret)

    @method("contributor")
    def add_node(self, sealed: Sealed, proof: Sealed) -> Membership:
        """Enter the key of a node (a sealed `NodeKey` by a device key, and a `KeyProof` by the node's key). A new key
        for Flower replaces the last one.
        """
        return self._writing(keys.add_node, sealed, unseal(sealed, NodeKey), proof)

    @method("owner")
    def flower_keys(self) -> list[FlowerKey]:
        """The Flower keys of all nodes that may work, which the coordinator registers at the SuperLink."""
        return self._reading(queries.flower_keys)

    @method("reader")
    def rotate(self, sealed: Sealed, proof: Sealed) -> Membership:
        """Replace a device key (a sealed `Rotate` by the old key, and a `KeyProof` by the new one)."""
        return self._writing(keys.rotate, sealed, unseal(sealed, Rotate), proof)

    @method("maintainer")
    def link(self, sealed: Sealed) -> Membership:
        """Enter a new device key of a member who has lost one (a sealed `Link`)."""
        return self._writing(revocation.link, sealed, unseal(sealed, Link))

    @method("maintainer")
    def approve(self, sealed: Sealed) -> Membership:
        """Let a member in who waits (a sealed `Approve`)."""
        return self._writing(revocation.approve, sealed, unseal(sealed, Approve))

    @method("maintainer")
    def set_role(self, sealed: Sealed) -> Membership:
        """Give a member another role (a sealed `SetRole`)."""
        return self._writing(revocation.set_role, sealed, unseal(sealed, SetRole))

    @method("reader")
    def revoke(self, sealed: Sealed) -> Revocation:
        """Take keys of a member away for ever (a sealed `Revoke`, by a maintainer or the member): they are refused, and
        their sessions, leases and offers end. It is answered with the member's contributions, which stand until
        somebody retracts them.
        """
        change = unseal(sealed, Revoke)
        with self._write() as connection:
            ended = revocation.revoke(connection, sealed, change)
            found = queries.member_record(connection, change.member)
            given = contributors.standing(connection, [one.key for one in found.keys])
        return Revocation(member=found.membership, admitted=given.number, contributions=given.latest, **ended._asdict())

    @method("reader")
    def members(self, after: str = "", limit: int = MOST_ROWS) -> list[MemberRecord]:
        """Members by name; the next page begins after the last one's name."""
        return self._reading(queries.members, after, limit)

    @method("reader")
    def find_member(self, name_or_key: str) -> MemberRecord:
        """The member with this name, or with a key that begins so."""
        return self._reading(queries.find_member, name_or_key)

    @method("reader")
    def member_changes(self, before: int | None = None, limit: int = MOST_ROWS) -> list[Event]:
        """What was changed about members (invited, joined, approved, role, revoked, rotated, linked), with who and
        why, the latest first; the next page is before the last one's number.
        """
        return self._reading(member_changes.member_changes, before, limit)
