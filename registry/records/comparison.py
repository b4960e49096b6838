"""Versions beside each other: rankings, and two of them by tensors and counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ratatouille.exchange.assignment import Slice, Split
from ratatouille.record import Name, Record
from ratatouille.weights.architecture import Part
from registry.records.history import Entry

Metric = Literal["accuracy", "balanced_accuracy"]


class DomainScore(Record):
    """A version's score on one domain, with the half-width of its 95 % interval over images."""

    domain: Name
    value: float
    margin: float
    images: int


class Ranked(Record):
    """A version in a ranking, with its score and the half-width of that score's 95 % interval over images."""

    entry: Entry
    value: float
    margin: float
    images: int
    image_size: int
    domains: tuple[DomainScore, ...] = ()
    """What the value is the mean of; empty for a ranking on one domain."""
    sharing: Annotated[int, Field(exclude_if=lambda count: count == 0)] = 0
    """How many later versions have the same weights; they have no place of their own."""
    self_reported: Annotated[bool, Field(exclude_if=lambda marked: not marked)] = False
    """Whether all counts of this score come from the member who made the version."""


class Ranking(Record):
    """The best versions for a task by what was counted of them, the best first; all on the same domains."""

    task: Name
    metric: Metric
    split: Split
    slice: Slice
    trial: int
    domains: tuple[Name, ...]
    """What every version in it was counted on."""
    versions: tuple[Ranked, ...]


class TensorDifference(Record):
    """The distance that one tensor moved from the first version to the second."""

    name: str
    elements: int
    buffer: bool
    distance: float | None
    """‖second − first‖ / ‖first‖; None where the first is zero and the second is not."""
    largest: float
    """The largest change of one element."""
    changed: float
    """Share of the elements that have another value."""


class PartDifference(Record):
    """The distance that one part moved, all its floating-point tensors together, and each of them."""

    part: Part
    same: bool = False
    """Whether both versions have the same file."""
    reason: str = ""
    """Why nothing is compared."""
    elements: int = 0
    distance: float | None = None
    largest: float = 0.0
    changed: float = 0.0
    tensors: tuple[TensorDifference, ...] = ()


class Gap(Record):
    """One metric of both versions, how far the second is ahead, and that difference's 95 % interval over images."""

    first: float | None = None
    second: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


class CellDifference(Record):
    """Both versions on one cell, or (without a domain) their means over the domains that both were counted on."""

    task: Name
    domain: Name | None
    split: Split
    slice: Slice
    trial: int
    image_size: int
    images: tuple[int, int]
    """How many images each was counted on."""
    same_images: bool
    """Whether these are the same ones."""
    paired: bool
    """Whether it is known which of them both classify correctly: the accuracy's interval is narrower then."""
    accuracy: Gap
    balanced_accuracy: Gap


class Relation(Record):
    """The nearest version that both come from, and how many steps each is away from it."""

    ancestor: Entry | None
    steps: tuple[int, int]


class Difference(Record):
    """Two versions side by side."""

    first: Entry
    second: Entry
    relation: Relation
    parts: tuple[PartDifference, ...]
    evaluations: tuple[CellDifference, ...]
