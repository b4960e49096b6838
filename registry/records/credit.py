"""Credit: what each contribution and each contributor is worth in an average, by leave-one-out, with intervals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.assignment import Split
from ratatouille.record import Digest, Name, Record

Effect = Literal["helps", "harms", "unclear"]
"""Of a contributor on the average's accuracy; `unclear` where noise could show the difference."""


class Gain(Record):
    """The accuracy of the whole less that without somebody: a difference of shares, with its 95 % interval."""

    value: float
    low: float
    high: float
    images: int


class DomainGain(Gain):
    """The difference on one domain."""

    domain: Name
    split: Split
    """`all` where no training of the history knew the domain, else `test`, or `validation` where there is no other."""
    self_reported: bool = False
    """Whether only nodes of those who are left out have counted it."""


class MeanGain(Gain):
    """The mean of the differences over domains, each domain once."""

    domains: int
    self_reported: bool = False
    """Whether a domain is among them that only nodes of those who are left out have counted."""


class LeaveOneOut(Record):
    """What an average is worth more with somebody's part than without it."""

    versions: tuple[Digest, ...]
    """What is left out."""
    contributors: tuple[Digest, ...]
    """Whose it is: ids of members, or keys of nobody known."""
    names: tuple[str, ...]
    share: float
    """Its part of the average, of 1."""
    exact: Annotated[str | None, Field(exclude_if=lambda exact: exact is None)] = None
    """The share as a fraction, where it can be read."""
    reason: str = ""
    """Why there is no value, or not yet."""
    gain: MeanGain | None = None
    """On the domains of the leaderboard: the value."""
    own: MeanGain | None = None
    """On images of the domains that the contributor trained on: test images, or else validation images."""
    domains: tuple[DomainGain, ...] = ()
    effect: Effect | None = None
    """Of contributors, corrected for their number."""
    first_place: int | None = None
    last_place: int | None = None
    """Contributors with the same two places cannot be told apart."""


class Credit(Record):
    """The credit of a version."""

    version: Digest
    task_name: Name | None
    method: Name
    """How its members were combined."""
    basis: Literal["held_out", "trained"] | None = None
    """What the values are of: domains that no training knew, or, without any, the domains that were trained on; None
    while nothing is counted.
    """
    accuracy: float | None = None
    """Of the whole, on the same domains."""
    contributors: tuple[LeaveOneOut, ...] = ()
    """By value, the highest first; then those that have none."""
    contributions: tuple[LeaveOneOut, ...] = ()
    questions: int = 0
    """How many comparisons were entered for it, and how many of these have an answer."""
    answered: int = 0
    networks: int = 0
    """Networks that nodes counted for it, and the seconds that this took."""
    seconds: float = 0.0
