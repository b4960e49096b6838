"""Versions: immutable entries of the shared model's history, identified by what they are and how they were made.

The id hashes weights, architecture, ordered parents, the rule with its parameters, and the receipt; so nobody can
change a lineage without changing the id. A *combination* is the question whose answer is a combined version: like an
assignment it has a work id, and only the registry, which has all the bytes, answers it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.record import Digest, Name, Record

Coefficient = Annotated[int, Field(ge=1, le=10**6)] | Annotated[float, Field(ge=-100, le=100)]
"""A count for means (never 1/3), a float for mixes."""


class Parent(Record):
    """A version that another one was made from. Trainings start from parents with coefficient 1 each."""

    version: Digest
    coefficient: Coefficient = 1


RuleName = Literal["import", "probe", "fine_tune", "combine"]


class Rule(Record):
    """What made a version; parameters of trainings are in the receipt's assignment."""

    name: RuleName
    revision: PositiveInt
    purpose: Name | None = None
    """Why versions were combined: `uniform`, `greedy`, `shared_head`, `fusing` …"""


class Version(Record):
    """An entry of the history."""

    featurizer: Digest
    head: Digest | None
    architecture: Digest
    task: Digest | None
    parents: tuple[Parent, ...]
    rule: Rule
    receipt: Digest | None

    @property
    def id(self) -> str:
        """Its name everywhere: the digest of this record."""
        return self.digest


class Combination(Record):
    """Please combine these versions: θ = Σ cᵢ·θᵢ / Σ cᵢ over both parts (or the featurizers only)."""

    kind: Literal["combine"] = "combine"
    parents: Annotated[tuple[Parent, ...], Field(min_length=1, max_length=10_000)]
    parts: Literal["both", "featurizer"] = "both"
    purpose: Name = "uniform"
    revision: int = COMBINATION_REVISION

    @property
    def work_id(self) -> str:
        """SHA-256 of this question."""
        return self.digest
