"""People in tests: keys that sign changes of members, and what they ask of a registry."""

from __future__ import annotations

import time
from typing import Any

from ratatouille.exchange.member_changes import (
    Approve,
    Enrolment,
    Invite,
    InviteDevice,
    KeyProof,
    Link,
    MemberChange,
    NodeKey,
    Revoke,
    RevokeInvitation,
    Rotate,
    SetRole,
    invitation_id,
)
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.invitation import new_secret
from registry.records import InvitationRecord, Membership, Revocation
from registry.services.registry import Registry


class Person:
    """Somebody with a device key."""

    def __init__(self, registry: Registry, seed: int, name: str = "") -> None:
        self.registry = registry
        self.seed = seed.to_bytes(32, "big")
        self.signer = Signer.of_seed(self.seed)
        self.name = name or f"person-{seed}"

    @property
    def key(self) -> str:
        return self.signer.node

    def seal(self, kind: type[MemberChange], **values: Any) -> Sealed:
        said = {"registry": self.registry.info().registry, "at": time.time(), "author": self.name} | values
        return self.signer.seal(kind.model_validate({"kind": kind.model_fields["kind"].default} | said))

    def invite(self, role: str = "contributor", **values: Any) -> str:
        """Returns the secret."""
        secret = new_secret()
        values = {"expires": time.time() + 3600} | values
        self.registry.members.invite(self.seal(Invite, invitation=invitation_id(secret), role=role, **values))
        return secret

    def invite_device(self) -> str:
        secret = new_secret()
        sealed = self.seal(InviteDevice, invitation=invitation_id(secret), expires=time.time() + 3600)
        self.registry.members.add_device(sealed)
        return secret

    def revoke_invitation(self, secret: str) -> InvitationRecord:
        return self.registry.members.revoke_invitation(self.seal(RevokeInvitation, invitation=invitation_id(secret)))

    def enrol(self, secret: str, **values: Any) -> Membership:
        said = {"invitation": invitation_id(secret), "key": self.key, "name": self.name} | values
        return self.registry.members.enrol(self.seal(Enrolment, **said), secret)

    def add_node(self, node: Signer, flower: str | None = None, name: str = "node") -> Membership:
        sealed = self.seal(NodeKey, key=node.node, name=name, flower=flower)
        return self.registry.members.add_node(sealed, self.proof(node))

    def rotate(self, new: Signer) -> Membership:
        return self.registry.members.rotate(self.seal(Rotate, key=new.node), self.proof(new))

    def proof(self, key: Signer) -> Sealed:
        return key.seal(KeyProof(registry=str(self.registry.info().registry), device=self.key))

    def approve(self, member: str) -> Membership:
        return self.registry.members.approve(self.seal(Approve, member=member))

    def set_role(self, member: str, role: str) -> Membership:
        return self.registry.members.set_role(self.seal(SetRole, member=member, role=role))

    def link(self, member: str, key: str, replaces: str | None = None) -> Membership:
        return self.registry.members.link(self.seal(Link, member=member, key=key, replaces=replaces))

    def revoke(self, member: str, key: str | None = None, message: str = "") -> Revocation:
        return self.registry.members.revoke(self.seal(Revoke, member=member, key=key, message=message))
