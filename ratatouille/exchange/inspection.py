"""Inspections: questions for the registry about how far weights moved, answered where the bytes are.

Like a combination, an inspection has a work id, and only the registry answers it. The answer holds inner products and
no weights. Norms of updates, distances and angles between them follow from it, and nothing else does: that is all that
admission needs to know of weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from ratatouille.exchange.dialect import INSPECTION_REVISION
from ratatouille.record import Digest, Record

MOST_INSPECTED = 500
"""Versions and starts of one inspection together: the answer grows with their square."""


def _ascending(ids: tuple[str, ...]) -> tuple[str, ...]:
    if list(ids) != sorted(set(ids)):
        raise ValueError("ids come in ascending order, each once")
    return ids


Ids = Annotated[tuple[Digest, ...], AfterValidator(_ascending)]
"""Ids of versions in ascending order, each once."""


class Inspection(Record):
    """A question for the registry: how far these versions moved from their starts, and from each other."""

    kind: Literal["inspect"] = "inspect"
    versions: Annotated[Ids, Field(min_length=1)]
    """The contributions."""
    starts: Ids
    """The versions that they started from: of their featurizers and of their heads."""
    origin: Digest
    """The version whose featurizer all featurizers are compared with: the foundation."""
    revision: int = INSPECTION_REVISION

    @property
    def work_id(self) -> str:
        """SHA-256 of this question."""
        return self.digest

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids whose weights are looked at, in the order of the answer: versions, then starts that are none."""
        return self.versions + tuple(id for id in self.starts if id not in frozenset(self.versions))

    @model_validator(mode="after")
    def _is_bounded(self) -> Inspection:
        if len(self.versions) + len(self.starts) > MOST_INSPECTED:
            raise ValueError(f"an inspection is of {MOST_INSPECTED} versions and starts at most")
        return self


class Gram(Record):
    """The Gram matrix of one part: inner products ⟨xᵢ, xⱼ⟩ of the vectors x = θ − θ_origin, without buffers."""

    ids: tuple[Digest, ...]
    """The versions whose vectors these are."""
    elements: PositiveInt
    """The length of each vector."""
    products: tuple[tuple[float, ...], ...]
    """The lower triangle, 12 significant digits: row i has the products with the vectors 0 … i."""

    @model_validator(mode="after")
    def _is_a_triangle(self) -> Gram:
        if [len(row) for row in self.products] != list(range(1, len(self.ids) + 1)):
            raise ValueError("the products are no lower triangle of a matrix with a row for each id")
        return self

    def product(self, first: str, second: str) -> float:
        """⟨x, y⟩ of two versions (KeyError for one that is not in it)."""
        i, j = sorted((self._places[first], self._places[second]))
        return self.products[j][i]

    def distance(self, first: str, second: str) -> float:
        """‖θ_first − θ_second‖; exactly 0 for equal weights."""
        squares = self.product(first, first) - 2 * self.product(first, second) + self.product(second, second)
        return math.sqrt(max(0.0, squares))

    def cosine(self, first: tuple[str, str], second: tuple[str, str]) -> float | None:
        """Cosine of the angle between two updates, each a version and its start; None where one is zero."""
        (a, start_a), (b, start_b) = first, second
        inner = (
            self.product(a, b) - self.product(a, start_b) - self.product(start_a, b) + self.product(start_a, start_b)
        )
        lengths = self.distance(a, start_a) * self.distance(b, start_b)
        return max(-1.0, min(1.0, inner / lengths)) if lengths else None

    @cached_property
    def _places(self) -> dict[str, int]:
        return {id: place for place, id in enumerate(self.ids)}


class Inspected(Record):
    """The answer to an inspection."""

    featurizer: Gram
    """Of all versions and starts; the origin is the featurizer of the question's origin."""
    head: Gram | None = None
    """Of those versions and starts that have a head for the contributions' task. The origin is the head of the first
    such start, or of the first contribution where no start has one. None where contributions have no heads, or heads
    for different tasks.
    """


def triangle(products: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """The lower triangle of a square matrix with 12 significant digits each."""
    return tuple(tuple(float(f"{value:.12g}") for value in row[: i + 1]) for i, row in enumerate(products))
