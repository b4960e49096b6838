"""People in tests: somebody with a key of their own, who signs changes of members."""

from __future__ import annotations

from ratatouille.exchange.signing import Signer
from ratatouille.invitation import Invitation
from registry.member_signer import MemberSigner
from registry.records import Membership
from registry.services.registry import Registry

ADDRESS = "grpc://127.0.0.1:9290"


class Person(MemberSigner):
    """A member, or somebody who wants to be one."""

    def __init__(self, registry: Registry, seed: int, name: str = "") -> None:
        self.seed = seed.to_bytes(32, "big")
        super().__init__(registry, Signer.of_seed(self.seed), name or f"person-{seed}")

    @property
    def key(self) -> str:
        """The device key."""
        return self.signer.node

    def join(self, invitation: Invitation) -> Membership:
        """Join under this person's name."""
        return self.enrol(invitation, self.author)

    def joined(self, owner: MemberSigner, **values: object) -> Person:
        """This person, once the owner has invited them."""
        self.join(owner.invite(ADDRESS, **values))  # type: ignore[arg-type]
        return self
