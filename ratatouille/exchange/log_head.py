"""Heads of a registry's log: what a registry signs about its whole history, and what others sign about such a head.

A head names how many entries the log has, and the hash of the Merkle tree over them (`merkle`). The registry signs it
with the key of its log. A reader who keeps a head finds out when an entry before it was altered or removed, or put
between. A member who signs one too is a *witness*: others can compare it with the head that they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ratatouille.exchange.member_changes import MemberChange, RegistryId
from ratatouille.exchange.signing import Sealed
from ratatouille.record import Digest, Record, canonical_json

ENTRY = ("number", "at", "kind", "round", "subject", "text")
"""What an entry of the log holds of an event, beside what it is about."""


def entry_data(event: Mapping[Any, Any], about: str | None) -> bytes:
    """The bytes of an entry: the leaf of the tree.

    Args:
        event: a line of the log as it is stored.
        about: the digest of the receipt, the change or the settings that it is about; None for none.
    """
    return canonical_json({name: event[name] for name in ENTRY} | {"about": about})


class LogHead(Record):
    """The state of a log, as its registry signs it."""

    registry: RegistryId
    size: Annotated[int, Field(ge=0)]
    """How many entries it has."""
    root: Digest
    """The hash of the tree over them."""
    at: Annotated[float, Field(ge=0)]
    """When it was signed, by the registry's clock."""


class Witness(MemberChange):
    """A member has seen this head of a log."""

    _about = "root"
    kind: Literal["witness"] = "witness"
    size: Annotated[int, Field(ge=0)]
    root: Digest


class Rollback(MemberChange):
    """The log was set back knowingly, such as by restoring a backup; the message says why."""

    _about = "registry"
    kind: Literal["rollback"] = "rollback"
    size: Annotated[int, Field(ge=0)] | None = None
    """How many entries the log had before; None where nobody knows."""
    root: Digest | None = None
    """Its hash then."""


class ExportedHead(Record):
    """A head as a file, which members pass to each other."""

    head: Sealed
    """A `LogHead`, signed by the key of the log."""
    witnesses: tuple[Sealed, ...] = ()
    """Members' signatures of it (`Witness`)."""


LOG_CHANGES: tuple[type[MemberChange], ...] = (Witness, Rollback)
"""The kinds of changes in this module."""
