"""Members of a registry: their keys, their invitations, and what a revocation ended."""

from __future__ import annotations

from typing import Literal

from ratatouille.exchange.member_changes import FlowerPublicKey, MemberRole
from ratatouille.record import Digest, Name, Record
from registry.records.history import Submission
from registry.records.work import Membership, MemberState

KeyKind = Literal["device", "node"]
KeyState = Literal["active", "revoked", "replaced"]
InvitationState = Literal["open", "used", "expired", "revoked"]


class KeyRecord(Record):
    """A key of a member."""

    key: Digest
    kind: KeyKind
    state: KeyState
    name: Name
    device: Digest | None = None
    """Of a node's key: the device key that entered it."""
    replaces: Digest | None = None
    """Of a device key: the one in whose place it came."""
    created: float
    changed: float


class MemberRecord(Record):
    """A member with all its keys, the oldest first."""

    id: Digest
    """Its first device key."""
    name: Name
    role: MemberRole
    state: MemberState
    invitation: Digest | None
    """By which it came."""
    created: float
    changed: float
    keys: tuple[KeyRecord, ...] = ()

    @property
    def membership(self) -> Membership:
        """The short form."""
        return Membership(member=self.id, name=self.name, role=self.role, state=self.state)


class InvitationRecord(Record):
    """An invitation, without its secret, which nobody keeps."""

    id: Digest
    """The SHA-256 of the secret."""
    role: MemberRole
    name: Name | None
    member: Digest | None
    """Whose device it lets in; None for a new member."""
    uses: int
    used: int
    approve: bool
    expires: float
    state: InvitationState
    maker: Digest
    """Who signed it."""
    created: float


class Revocation(Record):
    """What a revocation ended, and what it left."""

    member: Membership
    keys: tuple[Digest, ...]
    """Keys that are refused from now on."""
    leases: int
    offers: int
    invitations: int
    """Open invitations that let nobody in any more: the one by which the member came, and those that it made."""
    admitted: int
    """Contributions of the member that stand."""
    contributions: tuple[Submission, ...]
    """The latest of these."""


class FlowerKey(Record):
    """What the coordinator registers at the SuperLink for one node."""

    node: Digest
    flower: FlowerPublicKey
    name: Name
