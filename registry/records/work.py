"""Records of work: who works, leases, results of questions, rounds, the log of events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.dialect import PROTOCOL
from ratatouille.exchange.member_changes import MemberRole, RegistryId
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.record import Digest, Name, Record

State = Literal["receiving", "quarantined", "admitted", "rejected", "retracted", "duplicate"]

RoundState = Literal["requested", "running", "done", "failed", "cancelling", "cancelled"]

OVER: frozenset[RoundState] = frozenset({"done", "failed", "cancelled"})
"""States of a round that nothing is done for any more."""

ALIVE: tuple[RoundState, ...] = ("requested", "running", "cancelling")
"""States of a round that runs, waits to, or is being ended."""


MemberState = Literal["active", "waiting", "revoked"]
"""`waiting` until a maintainer approves."""


class Membership(Record):
    """A member as its own software needs it."""

    member: Digest
    name: Name
    role: MemberRole
    state: MemberState


class Info(Record):
    """Facts about a registry: protocol and software, where its fleet can be reached, what it keeps its state in."""

    registry: RegistryId | None = None
    """What tells this registry from others, whatever its address is; None in answers of earlier releases."""
    protocol: int = PROTOCOL
    software: str
    fleet: str | None = None
    """Address of the Flower SuperLink that nodes of this federation join; None when no coordinator is up."""
    coordinator: Digest | None = None
    """Key of the coordinator, by which nodes know its orders; None when there was no coordinator yet."""
    public: Annotated[str | None, Field(exclude_if=lambda public: public is None)] = None
    """NAME:PORT of the front door, through which other hosts reach all of it; None while there is none."""
    authority: Annotated[str | None, Field(exclude_if=lambda authority: authority is None)] = None
    """The certificate (PEM) of the authority that signed the front door's; None where every system knows it."""
    web: str | None = None
    """Address of the service's web page, for a browser on its own machine; None when it has none."""
    reading: Annotated[Literal["public", "members"], Field(exclude_if=lambda reading: reading == "public")] = "public"
    """Who may read the history."""
    database: str = ""
    """Kind and version of the database, never where it is."""
    weights: str = ""
    """Kind of the store for weights: `folder`, `s3` …"""
    retractions: int = 0
    """Grows with each retraction: what was read before the last one may not stand any more."""
    closures: int = 0
    """Grows when a member closes a question for itself, or opens it again."""


class Result(Record):
    """The answer to a question (assignment or combination) that the registry knows."""

    work_id: Digest
    version: Digest | None = None
    featurizer: Digest | None = None
    head: Digest | None = None
    task: Digest | None = None
    node: Digest | None = None
    receipt: Digest | None = None
    """The receipt that stands as the answer; None for an average. A node that pushed another one sees here that its
    own is a duplicate.
    """
    evaluations: tuple[Evaluation, ...] = ()
    comparison: Comparison | None = None
    kept_step: Annotated[int | None, Field(exclude_if=lambda step: step is None)] = None
    """Of a training: the step whose weights it returned, as its receipt says."""
    seconds: float = 0.0
    overhead: float = 0.0
    created: float = 0.0
    collected: float | None = None
    """When gc removed its weights, or some of them; the answer and its counts stand."""


class Holder(Record):
    """A node that offers certain data, or offered it before."""

    node: Digest
    name: Name
    """Its name in its last offer."""
    fingerprint: Digest
    task_name: Name
    here: bool
    """Whether its offer stands."""
    revoked: Annotated[bool, Field(exclude_if=lambda revoked: not revoked)] = False
    """Whether its key or its member was revoked, so that it does not come back."""


class Obligation(Record):
    """An evaluation that is owed of a version, and asked of whatever node has the data."""

    work_id: Digest
    version: Digest
    order: Order
    makers: Annotated[tuple[Digest, ...], Field(exclude_if=lambda makers: not makers)] = ()
    """Keys of those whom it counts the average without: it is not sent to them where another node has the data."""
    created: float


class RoundRecord(Record):
    """A round: its resolved settings as JSON text (opaque here), and its state."""

    id: Name
    name: Name
    spec: str
    state: RoundState
    reason: str = ""
    created: float
    changed: float


BEAT_SECONDS = 15.0
"""A caller that watches the event log is sent a sign of life after this time without an event."""


class Event(Record):
    """One line of the append-only log of what happened."""

    number: int
    at: float
    kind: str
    """`version`, `evaluation`, `rejected`, `duplicate`, `round`, `alias`, `offer` …; `plan` foretells how many
    questions a round will ask, and its subject is `answered/asked`.
    """
    round: str | None
    subject: str
    text: str
