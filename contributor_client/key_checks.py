"""Checks of an invitation and of keys: whether this home may offer data to a federation, and whether its node may work.

No key is made, and an invitation is looked at and not used up.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from contributor_client.subject import Subject
from ratatouille.checks import StepCheck, bad, good, refused
from ratatouille.errors import RatatouilleError, Refusal
from ratatouille.exchange.session import Challenge, Session, SessionRequest
from ratatouille.exchange.signing import Signer
from ratatouille.home import home
from ratatouille.invitation import Invitation
from registry.caller import Unauthenticated, includes
from registry.services.registry import Registry
from registry.transport.credentials import open_session


def check_key(
    subject: Subject, registry: Registry, challenge: Challenge, put: Callable[[StepCheck], None]
) -> Session | None:
    """Check the invitation and the keys of this home; returns the session that was opened, if one could be.

    Args:
        subject: what is checked.
        registry: where it is to be a member.
        challenge: what the registry said of itself.
        put: is called with each check as it is made.
    """
    invitation, session = subject.invitation, None
    try:
        session = _session(subject, registry, challenge)
    except Unauthenticated as error:
        if invitation is None:
            put(refused("key", error))
    except RatatouilleError as error:
        put(refused("key", error))
        return None
    if invitation is not None and session is None:
        _check_invitation(registry, invitation, put)
    elif invitation is not None:
        put(good("invitation", "not needed any more: the key of this home is a member's already"))
    if session is not None:
        put(_of_member(subject, registry, session))
    return session


def _session(subject: Subject, registry: Registry, challenge: Challenge) -> Session | None:
    """A session by a key of this home. No key is made: who has none is new.

    Raises:
        Unauthenticated: for a key that is no member's, and a home that has not joined.
        Refusal: for a key that was revoked, a clock that is wrong, and another registry.
    """
    invitation, members = subject.invitation, registry.members
    if invitation is not None and invitation.registry != challenge.registry:
        return None  # the invitation is refused below
    if found := open_session(subject.address, members.challenge, members.open_session):
        return found[0]
    key = home() / "key"
    if invitation is not None and key.exists():
        request = SessionRequest(registry=challenge.registry, nonce=challenge.nonce, issued=time.time())
        return members.open_session(Signer.open(key).seal(request))
    raise Unauthenticated(
        f"this home has not joined the federation at {subject.address}; ask a maintainer for an invitation, and "
        "join by `ratatouille node join --invite -`"
    )


def _check_invitation(registry: Registry, invitation: Invitation, put: Callable[[StepCheck], None]) -> None:
    try:
        found = registry.members.find_invitation(invitation.registry, invitation.secret)
    except RatatouilleError as error:
        put(refused("invitation", error))
        return
    gives = f"another device of its member, a {found.role}" if found.member else f"the role {found.role}"
    until = time.strftime("%Y-%m-%d", time.gmtime(found.expires))
    waits = ", after a maintainer's approval" if found.approve else ""
    if found.member is None and not includes(found.role, "contributor"):
        advice = "ask the maintainer for an invitation with the role contributor"
        put(bad("invitation", f"it gives {gives}, which may not offer data", advice))
        return
    put(good("invitation", f"it gives {gives}{waits}, until {until}; nothing of it was used up"))
    put(good("key", "this home's key is new there; it is entered when you join"))


def _of_member(subject: Subject, registry: Registry, session: Session) -> StepCheck:
    """What the keys of home and node may do."""
    if not includes(session.role, "contributor"):
        cause = f"your key is known with the role {session.role}, which may not offer data"
        return bad("key", cause, "ask a maintainer: `ratatouille members role NAME contributor`")
    who = f"your key is known, with the role {session.role}"
    file = subject.folder / "key" if subject.folder is not None else None
    if file is None or not file.exists():
        return good("key", f"{who}; the node's key is made when it joins")
    node = Signer.open(file).node
    try:
        found = registry.members.find_member(node)
    except Refusal:
        return good("key", f"{who}; the node's key is entered when it joins")
    except RatatouilleError as error:
        return refused("key", error)
    state = next((one.state for one in found.keys if one.key == node), "active")
    if state == "revoked":
        cause = f"the node's key {node[:12]}… of {found.name} was revoked"
        return bad("key", cause, f"remove '{file}', so that the node gets a new one, or ask a maintainer why")
    return good("key", f"{who}; the node's key is {found.name}'s, {state}")
