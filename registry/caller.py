"""The caller for whom this thread works: its role, its key, its member, and its name for limits.

`registry.transport.authentication` finds out who calls and sets it; services ask `caller()`. In process nobody calls:
a process that has the registry's folder open is its owner's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

from ratatouille.errors import Refusal

Role = Literal["anyone", "reader", "contributor", "maintainer", "owner"]
"""The roles, the least first; each has the rights of those before it. `anyone` may not even read."""
ROLES: tuple[Role, ...] = get_args(Role)


def includes(role: Role, needed: Role) -> bool:
    """Whether a role has the rights of another one."""
    return ROLES.index(role) >= ROLES.index(needed)


@dataclass(frozen=True)
class Caller:
    """Somebody who calls a method."""

    role: Role
    key: str | None = None
    """The device key (or the owner's key) that opened the session; None for a stranger and in process."""
    member: str | None = None
    """The id of the key's member; None for a stranger, and for the owner, who need not be a member."""
    peer: str = ""
    """A name by which limits count the caller, so that nobody takes all places. Empty in process."""

    def may(self, needed: Role) -> bool:
        """Whether this caller has the rights of a role."""
        return includes(self.role, needed)


class Unauthenticated(Refusal):
    """A call by a stranger that needs a session, or by a session that is over."""


class Forbidden(Refusal):
    """A call by somebody whose role is not enough, or with what another member signed."""


IN_PROCESS = Caller("owner")
_caller: ContextVar[Caller] = ContextVar("caller", default=IN_PROCESS)


@contextmanager
def called_by(caller: Caller) -> Iterator[None]:
    """While the block runs, this thread works for a caller."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


def caller() -> Caller:
    """The caller for whom this thread works."""
    return _caller.get()
