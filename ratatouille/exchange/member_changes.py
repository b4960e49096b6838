"""Changes of members: invitations, keys, roles and revocations, each signed, with who, when and why.

A member is a person or an organisation. Its *device keys* sign what it decides, its *node keys* sign the work of its
nodes, and a device key enters node keys. Each record names the registry that it is for, so that none counts elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from pydantic import AfterValidator, Field, StringConstraints

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Change
from ratatouille.record import Digest, Name, Record, sha256

MemberRole = Literal["reader", "contributor", "maintainer", "owner"]
"""Roles that a member can have."""
MOST_USES = 10_000
RegistryId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The id of a registry: 16 random bytes, which stay when its address changes."""


def _flower_key(text: str) -> str:
    try:
        key = load_ssh_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("is no public key in OpenSSH's form") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        raise ValueError("is no key of the kind ecdsa-sha2-nistp384")
    if key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() != text:
        raise ValueError("has more than the kind and the key, or another form than OpenSSH's own")
    return text


class EndedFlowerKey(Refusal):
    """A key for Flower that a node showed once and may show no more: Flower never takes it again."""


FlowerPublicKey = Annotated[str, Field(max_length=300), AfterValidator(_flower_key)]
"""An ECDSA key on P-384 as OpenSSH writes it, without a comment: how Flower knows a node."""


def invitation_id(secret: str) -> str:
    """The id of an invitation: the SHA-256 of its secret, which is not kept."""
    return sha256(secret.encode())


class MemberChange(Change):
    """A change of members, which names the registry that it is for."""

    registry: RegistryId


class Invite(MemberChange):
    """Let those who bring a secret become members."""

    _about = "invitation"
    kind: Literal["invite"] = "invite"
    invitation: Digest
    """The SHA-256 of the secret."""
    role: MemberRole
    name: Name | None = None
    """How the member will be called; None leaves it to the member."""
    uses: Annotated[int, Field(ge=1, le=MOST_USES)] = 1
    expires: Annotated[float, Field(ge=0)]
    approve: bool = False
    """Whether a maintainer must approve each member who comes by it."""


class InviteDevice(MemberChange):
    """Let one more device of the signer's member in."""

    _about = "invitation"
    kind: Literal["invite_device"] = "invite_device"
    invitation: Digest
    expires: Annotated[float, Field(ge=0)]


class RevokeInvitation(MemberChange):
    """Let nobody in by an invitation any more."""

    _about = "invitation"
    kind: Literal["revoke_invitation"] = "revoke_invitation"
    invitation: Digest


class Enrolment(MemberChange):
    """Enter the signer's key by an invitation: as a new member's, or as one more device of a member."""

    _about = "key"
    kind: Literal["enrolment"] = "enrolment"
    invitation: Digest
    key: Digest
    """The signer's own."""
    name: Name
    """How the new member, or the device, is to be called."""


class NodeKey(MemberChange):
    """Enter the key of a node of the signer's member, or a new key of that node for Flower."""

    _about = "key"
    kind: Literal["node_key"] = "node_key"
    key: Digest
    name: Name
    flower: FlowerPublicKey | None = None
    """What the node shows to Flower; it replaces the last one."""


class Approve(MemberChange):
    """Let a member in who waits."""

    _about = "member"
    kind: Literal["approve"] = "approve"
    member: Digest


class SetRole(MemberChange):
    """Give a member another role."""

    _about = "member"
    kind: Literal["set_role"] = "set_role"
    member: Digest
    role: MemberRole


class Revoke(MemberChange):
    """Take all keys of a member away for ever, or one of them with the nodes that it entered."""

    _about = "member"
    kind: Literal["revoke"] = "revoke"
    member: Digest
    key: Digest | None = None
    """None: all."""


class Rotate(MemberChange):
    """Replace the signer's device key by a new one; both are one person in the history."""

    _about = "key"
    kind: Literal["rotate"] = "rotate"
    key: Digest
    """The new one."""


class Link(MemberChange):
    """Enter a new device key of a member who has lost one."""

    _about = "member"
    kind: Literal["link"] = "link"
    member: Digest
    key: Digest
    replaces: Digest | None = None
    """The lost one; it is revoked."""


class KeyProof(Record):
    """The statement of a key's holder that it belongs to another key's member; signed by the new key."""

    registry: RegistryId
    device: Digest
    """The device key that enters this one."""


MEMBER_CHANGES: tuple[type[MemberChange], ...] = (
    Invite,
    InviteDevice,
    RevokeInvitation,
    Enrolment,
    NodeKey,
    Approve,
    SetRole,
    Revoke,
    Rotate,
    Link,
)
"""Every kind of change in this module."""
