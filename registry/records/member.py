"""A member's part in a registry: what their keys gave, what became of it, and what they offer now."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ratatouille.record import Digest, Name, Record
from registry.records.history import Submission
from registry.records.work import Membership, State


class MemberKey(Record):
    """One key of a member: a node of theirs, or the key of a person."""

    node: Digest
    name: Name | None = None
    """What it called itself in its last offer."""
    here: bool = False
    """Whether that offer stands."""


class ContributionTotal(Record):
    """How many contributions of one kind for one task are in one state, and how long they took."""

    kind: str
    task_name: Name | None
    """None also where a contribution was refused, since its task may not exist."""
    state: State
    count: int
    seconds: float
    first: float
    last: float


class ReleasedShare(Record):
    """The member's part of the version that an alias points at."""

    alias: str
    version: Digest
    versions: int
    """How many of their versions it is the average of; it may be one of these itself."""
    share: float
    """Of 1."""
    exact: str | None
    """The share as a fraction, where it is one that can be read."""


class OfferedData(Record):
    """Data that one of the keys offers now."""

    node: Digest
    task_name: Name
    domains: tuple[Name, ...]
    images: int
    trains: bool
    """False where the node only counts."""
    parked: bool = False
    """Whether the node does no work on it for a while."""


class Member(Record):
    """What the keys of a member gave to a registry, and what became of it."""

    keys: tuple[MemberKey, ...]
    members: Annotated[tuple[Membership, ...], Field(exclude_if=lambda members: not members)] = ()
    """Whom the keys belong to; empty where they are nobody's that is known."""
    done: tuple[ContributionTotal, ...] = ()
    released: tuple[ReleasedShare, ...] = ()
    """Aliases whose version is made of their work, by name."""
    more_aliases: bool = False
    """Whether there are aliases that were not looked at."""
    not_taken: tuple[Submission, ...] = ()
    """Contributions that are in no version, or in one that enters no average: refused, second answers, taken back,
    quarantined or rejected; the latest of them.
    """
    offered: tuple[OfferedData, ...] = ()
