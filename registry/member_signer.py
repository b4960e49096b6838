"""The signer of changes of members: invitations, enrolment, node keys, rotation, roles and revocation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ratatouille.errors import Misconfigured, Refusal
from ratatouille.exchange.log_head import LogHead, Rollback, Witness
from ratatouille.exchange.member_changes import (
    Approve,
    Enrolment,
    Invite,
    InviteDevice,
    KeyProof,
    Link,
    MemberChange,
    MemberRole,
    NodeKey,
    Revoke,
    RevokeInvitation,
    Rotate,
    SetRole,
)
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.invitation import Invitation, new_secret
from registry.records import InvitationRecord, Membership, Revocation
from registry.services.registry import Registry


@dataclass(frozen=True)
class MemberSigner:
    """Signs changes of members with a device key, and sends them to a registry."""

    registry: Registry
    signer: Signer
    author: str = ""
    """The name in the history."""
    known_id: str | None = None
    """The id of the registry that this home has joined here; None: the registry says its id itself."""

    @cached_property
    def registry_id(self) -> str:
        """The id of the registry, which every change names.

        Raises:
            Refusal: for a registry of an earlier release, which has none.
        """
        found = self.known_id or self.registry.info().registry
        if found is None:
            raise Refusal("this registry knows no members; its software is of an earlier release, or may only read")
        return found

    def invite(
        self,
        address: str,
        authority: str | None = None,
        *,
        role: MemberRole = "contributor",
        name: str | None = None,
        uses: int = 1,
        seconds: float = 7 * 24 * 3600.0,
        approve: bool = False,
        message: str = "",
    ) -> Invitation:
        """Let new members in.

        Args:
            address: where they reach the registry.
            authority: the pin (SHA-256) of the authority that signed the registry's certificate; None for a public one.
            role: the role of the new members.
            name: the name of the new member; None: the member chooses it.
            uses: how many members may join by it.
            seconds: how long it is valid.
            approve: whether a maintainer must approve each member.
            message: the reason, which is kept in the history.

        Raises:
            Refusal: for a role above the signer's, a name that is taken, and a time that is too long.
        """
        invitation = self._invitation(address, authority)
        expires, named = time.time() + seconds, {"role": role, "name": name, "uses": uses, "approve": approve}
        sealed = self._seal(Invite, message, invitation=invitation.id, expires=expires, **named)
        self.registry.members.invite(sealed)
        return invitation

    def invite_device(self, address: str, authority: str | None = None, seconds: float = 3600.0) -> Invitation:
        """Invite one more device of this member; the arguments are those of `invite`."""
        invitation = self._invitation(address, authority)
        sealed = self._seal(InviteDevice, "", invitation=invitation.id, expires=time.time() + seconds)
        self.registry.members.add_device(sealed)
        return invitation

    def revoke_invitation(self, invitation: str, message: str = "") -> InvitationRecord:
        """Close an invitation, by its id."""
        return self.registry.members.revoke_invitation(self._seal(RevokeInvitation, message, invitation=invitation))

    def enrol(self, invitation: Invitation, name: str) -> Membership:
        """Join by an invitation. A repeated enrolment gets the same answer.

        Raises:
            Refusal: for an invitation that lets nobody in, a clock that is wrong, and a name that is taken.
        """
        values = {"invitation": invitation.id, "key": self.signer.node, "name": name}
        change = Enrolment.model_validate(self._common("") | {"registry": invitation.registry} | values)
        return self.registry.members.enrol(self.signer.seal(change), invitation.secret)

    def add_node(self, node: Signer, name: str, flower: str | None = None) -> Membership:
        """Enter the key of a node, and its public key for Flower."""
        sealed = self._seal(NodeKey, "", key=node.node, name=name, flower=flower)
        return self.registry.members.add_node(sealed, self._proof(node))

    def rotate(self, new: Signer, message: str = "") -> Membership:
        """Replace this device key by a new one."""
        return self.registry.members.rotate(self._seal(Rotate, message, key=new.node), self._proof(new))

    def link(self, member: str, key: str, lost: str | None = None, message: str = "") -> Membership:
        """Enter a new device key of a member; the lost one is revoked."""
        return self.registry.members.link(self._seal(Link, message, member=member, key=key, replaces=lost))

    def approve(self, member: str, message: str = "") -> Membership:
        """Approve a member who waits."""
        return self.registry.members.approve(self._seal(Approve, message, member=member))

    def set_role(self, member: str, role: MemberRole, message: str = "") -> Membership:
        """Give a member another role."""
        return self.registry.members.set_role(self._seal(SetRole, message, member=member, role=role))

    def revoke(self, member: str, key: str | None = None, message: str = "") -> Revocation:
        """Revoke all keys of a member for ever, or one key with the node keys that it entered."""
        return self.registry.members.revoke(self._seal(Revoke, message, member=member, key=key))

    def witness(self, head: LogHead) -> Sealed:
        """Sign a head of the registry's log, and let the registry keep the signature.

        Raises:
            Refusal: for a head that the log never had.
        """
        sealed = self._seal(Witness, "", size=head.size, root=head.root)
        self.registry.transparency.witness(sealed)
        return sealed

    def state_rollback(self, before: LogHead | None, message: str) -> None:
        """State as the owner that the log was set back knowingly; `before` is its head before that, if it is known."""
        values = {} if before is None else {"size": before.size, "root": before.root}
        self.registry.transparency.state_rollback(self._seal(Rollback, message, **values))

    def _invitation(self, address: str, authority: str | None) -> Invitation:
        try:
            log = self.registry.transparency.head().head.node
        except (Refusal, Misconfigured):  # its software is of an earlier release
            log = None
        values = {"address": address, "registry": self.registry_id, "authority": authority, "log": log}
        return Invitation.model_validate({**values, "secret": new_secret()})

    def _proof(self, key: Signer) -> Sealed:
        return key.seal(KeyProof(registry=self.registry_id, device=self.signer.node))

    def _seal(self, kind: Callable[..., MemberChange], message: str, **values: object) -> Sealed:
        return self.signer.seal(kind(registry=self.registry_id, **self._common(message), **values))

    def _common(self, message: str) -> dict[str, object]:
        return {"message": message, "author": self.author, "at": time.time()}
