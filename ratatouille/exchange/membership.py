"""What nodes say of themselves: offers of data and hands, and the leases on work that they take.

An offer is signed by the node's key and replaces its last one. A lease says who is at work on a question until when, so
that no question is worked on twice by accident; it is renewed by the worker and free again when it expires.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ratatouille.exchange.dialect import METHOD_REVISION, NUMERICS, PROTOCOL
from ratatouille.failure import Failure
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.holding import Holding

MOST_INPUTS = 1000
"""Weights that a lease names; work that reads more of them names the first."""


DEVICES = ("auto", "cpu", "cuda", "rehearsal")
"""What an offer may say of its device."""

_ACTIVITIES = re.compile(
    r"fetching|reading images|computing features|fitting the head|evaluating|comparing networks|pushing"
    r"|(warm-up|training), loss (-?[0-9]{1,12}\.[0-9]{3}|nan|-?inf)"
)


def activity(text: str) -> str:
    """What a node says that it does, if it is one of the things that nodes do; nothing for any other text."""
    return text if _ACTIVITIES.fullmatch(text) else ""


class Parked(Record):
    """What a node does no work with for a while, and why: one holding, or all of it."""

    failure: Failure
    fingerprint: Digest | None = None
    """The holding; None for the whole node."""
    seconds: Annotated[float, Field(ge=0, le=7 * 24 * 3600)]
    """For how long still, from when the offer was issued."""


class Offer(Record):
    """What a node has and can do."""

    node: Digest
    name: Name
    holdings: tuple[Holding, ...]
    device: Annotated[str, Field(max_length=200)] = "cpu"
    trains: bool = True
    """False: the node evaluates on its data and never trains on it."""
    protocol: int = PROTOCOL
    revision: int = METHOD_REVISION
    numerics: str = NUMERICS
    issued: float
    """Seconds since 1970; a later offer replaces an earlier one."""
    seconds: PositiveFloat = 60.0
    """How long the offer stands; the node renews it."""
    parked: Annotated[tuple[Parked, ...], Field(max_length=100, exclude_if=lambda parked: not parked)] = ()
    """What it cannot work with now; the registry shows it, and the coordinator sends it no such work."""
    hears_orders: Annotated[bool, Field(exclude_if=lambda hears: hears)] = True
    """False while the node's work lane does not answer it: it is known here, and no order would reach it."""


class Lease(Record):
    """Who works on a question, for how long, and what they last said of their progress."""

    work_id: Digest
    node: Digest
    seconds: NonNegativeFloat = 20.0
    """How long it is asked for, from now; clocks of nodes may be wrong, so only durations are believed."""
    expires: float = 0.0
    """When it ends, in seconds since 1970 by the registry's clock, which sets it."""
    done: Annotated[int, Field(ge=0, lt=2**53)] = 0
    total: Annotated[int, Field(ge=0, lt=2**53)] = 0
    """Steps done and steps in all; 0 of 0 where work has no steps."""
    doing: Annotated[str, Field(max_length=100)] = ""
    inputs: Annotated[tuple[Digest, ...], Field(max_length=MOST_INPUTS, exclude_if=lambda inputs: not inputs)] = ()
    """Weights that the work starts from: the registry keeps them while somebody is at it."""
