"""Sessions: how a key shows a registry that it is there. It signs a challenge, and gets a token for an hour.

The request names the registry, so that no other service can use what was signed for this one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.member_changes import MemberRole, RegistryId
from ratatouille.record import Digest, Record

CLOCK_SECONDS = 300.0
"""How far the clocks of two machines may be apart."""


class Challenge(Record):
    """What is to be signed, and what the caller must know before that."""

    registry: RegistryId
    """The registry's id; a caller signs for no other than the one that it knows."""
    nonce: Annotated[str, Field(max_length=200)]
    now: float
    """The registry's clock, in seconds since 1970."""
    protocol: int = PROTOCOL
    software: str


class SessionRequest(Record):
    """The wish to open a session; signed by a device key, or by the owner's key."""

    registry: RegistryId
    nonce: Annotated[str, Field(max_length=200)]
    issued: float
    """When it was signed, by the caller's clock."""


class Session(Record):
    """An open session. Its token stands for the key's holder, so no text about it shows the token."""

    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"), Field(repr=False)]
    role: MemberRole
    member: Digest | None
    """The member's id; None for the owner on this machine, who need not be one."""
    expires: float
    """By the registry's clock."""


def clock_problem(theirs: float, ours: float) -> str | None:
    """What is wrong with the clock of a caller, in one sentence; None where it is near enough."""
    apart = theirs - ours
    if abs(apart) <= CLOCK_SECONDS:
        return None
    return (
        f"your clock is {abs(apart) / 60:.0f} min {'ahead of' if apart > 0 else 'behind'} the registry's; set it, "
        "and try again"
    )
