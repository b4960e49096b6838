"""An invitation: one line with the address of a registry, the pin of its authority, the key of its log, and a secret.

The line lets its holder become a member. The registry keeps the SHA-256 of the secret only.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from ratatouille.errors import Refusal
from ratatouille.exchange.member_changes import RegistryId, invitation_id
from ratatouille.record import Digest, Record

PREFIX = "ratatouille-invite:"
LONGEST_LINE = 2000
"""Characters."""


class Invitation(Record):
    """The contents of an invitation's line; its `repr` does not show the secret."""

    v: Literal[1] = 1
    address: Annotated[str, StringConstraints(pattern=r"^grpcs?://[^\s/@?#]{1,300}$")]
    """Where the registry is: grpcs://host:port, or grpc:// on one machine."""
    registry: RegistryId
    """The id of the registry: the holder's key signs for no other one."""
    authority: Digest | None = None
    """The pin: SHA-256 of the certificate (DER) of the authority that signed the registry's; None for a public one."""
    log: Annotated[Digest | None, Field(exclude_if=lambda log: log is None)] = None
    """The key that signs the heads of the registry's log; None: the holder trusts the first one that it sees."""
    secret: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"), Field(repr=False)]

    @property
    def id(self) -> str:
        """Its id in the registry: the SHA-256 of the secret."""
        return invitation_id(self.secret)

    @property
    def line(self) -> str:
        """The line, which contains the secret."""
        return PREFIX + base64.urlsafe_b64encode(self.to_json()).decode().rstrip("=")


def new_secret() -> str:
    """A secret that nobody guesses: 32 random bytes, as text."""
    return secrets.token_urlsafe(32)


def read_invitation(text: str) -> Invitation:
    """The invitation that a line holds; white space around it is left out.

    Raises:
        Refusal: for anything else, without repeating it.
    """
    line = text.strip()
    if not line.startswith(PREFIX):
        raise Refusal(f"this is no invitation; it is one line that begins with {PREFIX} (`ratatouille members invite`)")
    if len(line) > LONGEST_LINE:
        raise Refusal(f"this invitation has {len(line)} characters, and {LONGEST_LINE} are the most; copy one line")
    broken = Refusal("this invitation was cut off or changed on its way; copy the whole line again")
    code = line.removeprefix(PREFIX)
    try:
        found = Invitation.model_validate_json(base64.b64decode(code + "=" * (-len(code) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, ValidationError):
        raise broken from None  # the reason could repeat the secret
    if found.line != line:
        raise broken
    return found
