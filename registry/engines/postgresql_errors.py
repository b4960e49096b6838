"""Errors of PostgreSQL, or of a pooler before it, sorted into those that may pass and those that need a change.

A refused connection carries no code, only a text, since the driver gives none. What the server itself said stands
behind its severity (`FATAL:  …`); a text of the server that is not known as passing is taken as permanent, since
trying again would not help with most of them. What only the network says (no answer, a broken line) may pass.
"""

from __future__ import annotations

import re

from ratatouille.errors import Misconfigured, RatatouilleError, Unreachable

PASSWORDS = "put it into ~/.pgpass, $PGPASSWORD or $PGPASSFILE"
PASSING_TEXTS = (
    "the database system is",  # starting up, shutting down, in recovery mode, not yet accepting connections
    "too many",
    "remaining connection slots",
    "terminating connection",
    "canceling authentication due to timeout",
    # PgBouncer
    "no more connections allowed",
    "server login has been failing",
    "server conn crashed",
    "cannot connect to server",
    "server connection closed",
    "shutting down",
    "timeout",  # query_wait_timeout, query_timeout, client_idle_timeout …
)
"""What a server or a pooler says of troubles that end by themselves."""
CLIENT_PERMANENT = (
    "no password supplied",
    "certificate",
    "does not support SSL",
    "Permission denied",
    "authentication method requirement",
)
"""What the driver says before it was refused, and what only somebody's settings can mend."""
READ_ONLY = frozenset({"42501", "25006"})
"""Missing privileges; a server or transaction that is read-only."""
PERMANENT = frozenset({"28", "3D", "3F", "08004", "57P04", "XX001", "XX002"})
"""Credentials, no such database or schema, a connection refused on purpose, a dropped database, damaged data."""
PASSING = frozenset({"08", "53", "57", "58", "55P03", "40001", "40P01", "25P03", "25P04"})
"""Classes of errors, and some errors: connection, resources, operator's intervention, the system, locks, time."""
SAID_BY_POOLER = "08P01"
"""The code of all that PgBouncer says by itself to somebody who is connected."""

_SERVER_SAID = re.compile(r"failed: \S+:  (.+)")


def meaning(said: str, code: str | None, name: str) -> RatatouilleError | None:
    """What an error means for people.

    Args:
        said: its whole text.
        code: its SQLSTATE; None when a connection was not made or broke.
        name: the database, for messages.

    Returns:
        `Unreachable` where the same may work later, `Misconfigured` where somebody must change something first, None
        for a defect of ours.
    """
    first = said.strip().partition("\n")[0]
    if code is None:
        reason = next((one for one in _SERVER_SAID.findall(said) if not _passes(one)), None)
        if reason is None and any(words in said for words in CLIENT_PERMANENT):
            reason = next(line for line in said.splitlines() if any(words in line for words in CLIENT_PERMANENT))
        return Unreachable(f"no database answers at {name}: {first}") if reason is None else _permanent(reason, name)
    if code in READ_ONLY:
        return Misconfigured(f"{name} may only be read by this user or on this server: {first}")
    if code == SAID_BY_POOLER and not _passes(first):
        return _permanent(first, name)
    if code[:2] in PERMANENT or code in PERMANENT:
        return _permanent(first, name)
    if code[:2] in PASSING or code in PASSING:
        return Unreachable(f"{name} does not answer: {first}; try again")
    return None


def _passes(said: str) -> bool:
    return any(words in said for words in PASSING_TEXTS)


def _permanent(reason: str, name: str) -> Misconfigured:
    """What must be changed, where that is known."""
    if "does not exist" in reason or "no such" in reason:
        return Misconfigured(f"{reason} (of {name}); make it with CREATE ROLE or CREATE DATABASE")
    if any(words in reason for words in ("authentication failed", "password", "pg_hba.conf")):
        return Misconfigured(f"the database {name} lets nobody in like this: {reason}; {PASSWORDS}")
    if "startup parameter" in reason:
        return Misconfigured(
            f"what answers at {name} does not take a parameter of its address: {reason}; take it out, since poolers "
            "such as PgBouncer refuse it"
        )
    return Misconfigured(f"the database {name} refuses: {reason}; look at its settings, and at its log")
