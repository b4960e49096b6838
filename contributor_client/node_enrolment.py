"""The entry of a node's keys at a registry, and the files with which its SuperNode passes a front door.

The device key of this home signs that the node belongs to its member. The node's key for Flower is entered with it, and
the coordinator registers that key at the SuperLink. So nobody handles a second key.
"""

from __future__ import annotations

from contributor_client.clock import RegistryClock
from contributor_client.flower_key import flower_public_key, replace_flower_key
from contributor_client.paths import NodePaths
from contributor_client.work_lane import FrontDoorFiles
from ratatouille.addresses import Address
from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import EndedFlowerKey
from ratatouille.exchange.signing import Signer
from ratatouille.federations import Federation, federation_of
from ratatouille.folders import write_whole
from ratatouille.home import home, public_name
from registry.member_signer import MemberSigner
from registry.records import Info
from registry.services.registry import Registry
from registry.transport.roots import certificates_in, roots_of


def fleet_address(info: Info, registry: str) -> str | None:
    """host:port where the SuperNode finds the fleet; None while no coordinator is announced.

    A node that reached the registry through a front door reaches the fleet at the same address.

    Args:
        info: what the registry says of itself.
        registry: its address.
    """
    address = Address.of(registry)
    if info.fleet is None or address is None or not address.encrypted:
        return info.fleet
    return address.host_and_port


class NodeEnrolment:
    """Enters a node's keys at a registry, and prepares the passing of its front door where there is one."""

    def __init__(self, registry: Registry, address: str, paths: NodePaths, name: str, signer: Signer) -> None:
        """`signer` has the node's key, `name` is what the node is called, `address` is the registry's."""
        self._registry, self._address, self._paths, self._name, self._signer = registry, address, paths, name, signer
        self.clock = RegistryClock(paths.clock, lambda: registry.members.challenge().now)

    def enter(self, info: Info) -> FrontDoorFiles | None:
        """Enter the node's keys, where this home has joined the registry; entering them again changes nothing.

        Returns:
            What the SuperNode needs; None for a fleet without a front door.

        Raises:
            Refusal: when this home has no key that may enter a node, and for a coordinator without a front door.
        """
        address = Address.of(self._address)
        encrypted = address is not None and address.encrypted
        if info.public is None:
            if encrypted:
                raise Refusal(
                    f"the registry at {self._address} is behind a front door, and its coordinator knows of none; have "
                    "it started with `ratatouille coordinator up --public NAME`"
                )
            if federation_joined(self._address) is not None:
                self._enter_keys(None)
            return None
        self.clock.look(soon=True)
        self.enter_again()
        roots = self._paths.roots
        write_whole(roots, [self._roots(info, encrypted)], private=True)
        return FrontDoorFiles(roots, self._paths.flower_key, self._paths.clock)

    def enter_again(self) -> bool:
        """Enter the key for Flower once more; one that has ended is replaced at once. Whether it was."""
        try:
            self._enter_keys(flower_public_key(self._paths.flower_key))
            return False
        except EndedFlowerKey:
            self.enter_new_key()
            return True

    def enter_new_key(self) -> None:
        """Make a new key for Flower in place of one that the SuperLink does not know, and enter it."""
        self._enter_keys(replace_flower_key(self._paths.flower_key))

    def _roots(self, info: Info, encrypted: bool) -> bytes:
        if encrypted:
            return roots_of(self._address).pem
        if info.authority is not None:  # said by this machine's own registry
            return b"".join(certificates_in(info.authority.encode()))
        return roots_of(f"grpcs://{info.public}").pem

    def _enter_keys(self, flower: str | None) -> None:
        device, joined = Signer.open(home() / "key"), federation_joined(self._address)
        known_id = None if joined is None else joined.registry
        member = MemberSigner(self._registry, device, public_name(device.node).value, known_id)
        member.add_node(self._signer, self._name, flower)


def federation_joined(address: str) -> Federation | None:
    """The federation that this home has joined at an address; None for a registry that it has not, or in a folder."""
    return None if Address.of(address) is None else federation_of(address)


def whose_new_node(address: str) -> str:
    """In words, what a node without a key becomes at an address."""
    joined = federation_joined(address)
    return "this node becomes a new member" if joined is None else f"this becomes a new node of member {joined.name}"
