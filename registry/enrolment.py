"""Enrolment on the member's machine: it enters the key of this home by an invitation, and keeps the federation here.

The same invitation may be used again with the same key at any time, with the same result. If the enrolment fails, this
home keeps what it knew of the address before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ratatouille.errors import Refusal, Unreachable
from ratatouille.exchange.signing import Signer
from ratatouille.federations import (
    Federation,
    authority_of,
    enter_federation,
    federation_of,
    leave_federation,
    name_remote,
)
from ratatouille.home import home
from ratatouille.invitation import Invitation
from ratatouille.outbox import outbox_of
from ratatouille.record import Name
from registry.member_signer import MemberSigner
from registry.opening import CACHE_BYTES, open_registry
from registry.records import Membership
from registry.transport.authority import fetch_authority
from registry.transport.client import open_remote
from registry.transport.roots import Roots

PATIENCE = 60.0
"""Seconds in which a registry that does not answer is tried again."""
_PAUSE, _WAITING_PAUSE = 2.0, 5.0
_NAME: TypeAdapter[str] = TypeAdapter(Name)


def enrol(
    invitation: Invitation, name: str, say: Callable[[str], None] = lambda _: None, node: Path | None = None
) -> Membership:
    """Become a member by an invitation, with the key of this home, which the first use makes.

    Args:
        invitation: what a maintainer gave.
        name: how the member is to be called, where the invitation does not say it.
        say: called with a sentence when the registry does not answer at once.
        node: folder of the node for which this is done: its log of what left it names the enrolment.

    Raises:
        Refusal: when the invitation is none of this registry's, or lets nobody in (any more).
        Unreachable: when the registry does not answer within `PATIENCE`; nothing is lost, and the same call goes on.
    """
    name, signer, address = usable_member_name(name), Signer.open(home() / "key"), invitation.address
    before, pinned = federation_of(address), authority_of(address)
    old_authority = pinned.read_bytes() if pinned is not None else None
    authority = None if invitation.authority is None else fetch_authority(address, invitation.authority)
    known = before if before is not None and before.registry == invitation.registry else None
    first = Federation(address=address, registry=invitation.registry, name=name, role="reader", log=invitation.log)
    enter_federation(known or first, authority)
    try:
        membership = _patiently(address, lambda: _ask(signer, invitation, name, node), say)
    except BaseException:
        if before is None:
            leave_federation(address)
        else:
            enter_federation(before, old_authority)
        raise
    enter_federation(_federation(invitation, membership), authority)
    name_remote(address)
    return membership


def name_in(invitation: Invitation) -> str | None:
    """The name that an invitation gives its member, which the registry knows; None where it gives none.

    Raises:
        Refusal: as `enrol` does.
        Unreachable: when the registry does not answer.
    """
    address, roots = invitation.address, None
    if invitation.authority is not None:
        roots = Roots(fetch_authority(address, invitation.authority), "pinned", "the invitation")
    with closing(open_remote(address, home() / "cache", CACHE_BYTES, roots=roots)) as registry:
        return registry.members.find_invitation(invitation.registry, invitation.secret).name


def name_that_counts(given: str | None, membership: Membership, joined_before: bool) -> str | None:
    """A sentence for a person whose `--name` is not how others see them; None where it is, or where none was given."""
    if given is None or given == membership.name:
        return None
    if joined_before:
        return f"others see you as {membership.name}, not as {given}: this home has joined under that name"
    return f"others see you as {membership.name}, as the invitation says; {given} is the name of this key only"


def await_approval(invitation: Invitation, membership: Membership, say: Callable[[str], None]) -> Membership:
    """Wait until a maintainer lets a member in; returns what the member is then.

    Raises:
        Refusal: when the member is refused.
    """
    if membership.state == "waiting":
        say(f"{membership.name} waits for a maintainer's `ratatouille members approve {membership.name}`")
    while membership.state == "waiting":
        time.sleep(_WAITING_PAUSE)
        membership = enrol(invitation, membership.name, say)
    return membership


def usable_member_name(name: str) -> str:
    """A name of a member or a node, as it was given.

    Raises:
        Refusal: for one with other signs, or that is too long.
    """
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        raise Refusal(
            f"{name[:80]!r} is no name for a member or node; say one with --name, of letters, digits, dots, dashes and "
            "underscores"
        ) from None


def _ask(signer: Signer, invitation: Invitation, name: str, node: Path | None) -> Membership:
    outbox = None if node is None else outbox_of(node, invitation.address)
    with closing(open_registry(invitation.address, outbox=outbox)) as registry:
        return MemberSigner(registry, signer).enrol(invitation, name)


def _patiently(address: str, ask: Callable[[], Membership], say: Callable[[str], None]) -> Membership:
    """The answer of `ask`, which is called again while the registry does not answer."""
    deadline, informed = time.monotonic() + PATIENCE, False
    while True:
        try:
            return ask()
        except Unreachable as error:
            if time.monotonic() > deadline:
                raise
            if not informed:
                say(f"{error}; trying again for {PATIENCE:.0f} s")
                informed = True
            time.sleep(_PAUSE)


def _federation(invitation: Invitation, membership: Membership) -> Federation:
    return Federation(
        address=invitation.address,
        registry=invitation.registry,
        member=membership.member,
        name=membership.name,
        role=membership.role,
        log=invitation.log,
    )
