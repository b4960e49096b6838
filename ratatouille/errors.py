"""Errors for people: sentences that say what is wrong, where, and what to do.

Each error is one sentence or two: what is wrong, where, and what to do about it. The command line prints it and exits
with code 2; services send it as the message of their reply. Two kinds exist. A `Refusal` is about what was sent: the
same will never be accepted. `Unavailable` is about the service: what was sent is not at fault, and where the service is
only `Unreachable`, the same may succeed later. Neither is a kind of the other, so a handler of refusals cannot swallow
an outage. Code that treats both alike catches `RatatouilleError`.
"""

from __future__ import annotations

UPGRADE = "pip install --upgrade model-ratatouille"
"""What to type on the side that is older."""


class RatatouilleError(Exception):
    """Base of all errors with a sentence for people.

    The message may name files and people of the machine that raises it. What other machines may know of it is `code`
    and `counts`: a code of `ratatouille.failure`, and numbers.
    """

    code = "refused"

    def __init__(self, message: str = "", *, code: str | None = None, **counts: int) -> None:
        super().__init__(message)
        self.counts = counts
        if code is not None:
            self.code = code


class Refusal(RatatouilleError):
    """Input from a person or a peer that cannot be accepted; the message names the culprit and the way out."""


class Damaged(Refusal):
    """A file of the home folder that cannot be used; the message names it and says what to do with it."""


class Unavailable(RatatouilleError):
    """A service that cannot answer, whatever it is sent."""


class Unreachable(Unavailable):
    """A service that does not answer now and may answer later; long-running processes retry it."""

    code = "registry-unreachable"


class Misconfigured(Unavailable):
    """A database or store that refuses the service until settings are changed: credentials, rights, names.

    It is never retried by itself.
    """

    code = "registry-unreachable"
