"""Inputs of a combination: the digests of its parents' parts with their coefficients, and the average itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, select

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Combination
from ratatouille.weights.architecture import Architecture, Part
from ratatouille.weights.canonical import size
from ratatouille.weights.combine import Term, combine_files
from ratatouille.weights.methods import MEAN, Parameters
from registry.blobs.access import Blobs
from registry.cancellation import cancellable
from registry.ledger.claims import Removed, removed
from registry.ledger.definitions import architecture, task
from registry.schema import VersionRow

Share = tuple[str, int | float]
"""A digest with its coefficient."""


@dataclass(frozen=True)
class Ingredients:
    """What a combination is made from."""

    architecture: Architecture
    classes: int
    task: str | None
    featurizers: Sequence[Share]
    heads: Sequence[Share]
    """Empty when only the featurizers are combined."""
    method: str = MEAN
    parameters: Parameters = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that the result has."""
        return ("featurizer", "head") if self.heads else ("featurizer",)

    def shares(self, part: Part) -> Sequence[Share]:
        """What one part is the mean of."""
        return self.featurizers if part == "featurizer" else self.heads

    def size(self, part: Part) -> int:
        """Length of the result's file."""
        return size(self.architecture.part(part, self.classes))

    def write(self, blobs: Blobs, part: Part, output: BinaryIO, cached: bool = True) -> str:
        """Compute one part, from copies if they are `cached`, for as long as somebody waits; returns its digest.

        Raises:
            Refusal: as `ratatouille.weights.combine.combine_files`, and for weights that are missing or damaged.
        """
        shares = [(digest, coefficient) for digest, coefficient in self.shares(part) if coefficient != 0]
        with blobs.reading([digest for digest, _ in shares], cached) as sources:
            terms = [Term(digest, sources[digest], coefficient) for digest, coefficient in shares]
            tensors = self.architecture.part(part, self.classes)
            return combine_files(terms, tensors, cancellable(output), self.method, self.parameters)


def gather(connection: Connection, combination: Combination, past: bool = False) -> Ingredients:
    """The weights that a combination averages.

    Args:
        connection: a transaction.
        combination: the question.
        past: whether versions that were retracted, and weights that gc removed, are named too: what was made once.

    Raises:
        Refusal: as `Combination.check`, or naming the parent that is missing, does not match the first one, or has
            another author.
    """
    combination.check()
    rows: list[Row[Any]] = []
    for parent in combination.parents:
        row = connection.execute(select(VersionRow).where(VersionRow.id == parent.version)).first()
        if row is None or (row.state != "admitted" and not past):
            raise Refusal(f"parent {parent.version[:12]}… is no version of this registry")
        first = rows[0] if rows else row
        if row.architecture != first.architecture:
            raise Refusal(
                f"versions {first.id[:12]}… and {row.id[:12]}… have different architectures; no average exists"
            )
        if combination.parts == "both" and row.head is None:
            raise Refusal(f"version {row.id[:12]}… has no head; combine the featurizers only")
        if combination.parts == "both" and row.task != first.task:
            raise Refusal(
                f"versions {first.id[:12]}… and {row.id[:12]}… are for different tasks; combine the featurizers only"
            )
        rows.append(row)
    for row, author in zip(rows, combination.authors, strict=bool(combination.authors)):
        if row.node not in (None, author):
            raise Refusal(f"version {row.id[:12]}… was made by key {row.node[:12]}…, not by {author[:12]}…")
    read = {part for row in (() if past else rows) for part in (row.featurizer, row.head) if part is not None}
    gone = removed(connection, read)
    for row in rows if gone else ():
        for part in (row.featurizer, row.head) if combination.parts == "both" else (row.featurizer,):
            if part in gone:
                raise Removed(f"of version {row.id[:12]}…", gone[part])
    coefficients = [parent.coefficient for parent in combination.parents]
    pairs = list(zip(rows, coefficients, strict=True))
    both = combination.parts == "both"
    about = task(connection, rows[0].task) if both else None
    return Ingredients(
        architecture=architecture(connection, rows[0].architecture),
        classes=len(about.classes) if about else 0,
        task=rows[0].task if both else None,
        featurizers=[(row.featurizer, each) for row, each in pairs],
        heads=[(row.head, each) for row, each in pairs] if both else [],
        method=combination.method,
        parameters=combination.parameters,
    )
