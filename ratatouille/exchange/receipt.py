"""Receipts: what a node answers to an assignment, how it came about, and the counts of its evaluations.

A receipt is signed by the node's key, and its digest is part of the version that it makes. It carries counts and
curves, never data. A node discloses all counts or fewer, as its owner chooses. The answer is made whole first, so the
node's own choices (its best step) go by exact counts. Then small mistakes are merged, and a training beyond the node's
budget sends no counts at all. What leaves a node is listed in `leaving`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, model_validator

from ratatouille.exchange.assignment import Assignment, Cell, Compare, Evaluate
from ratatouille.exchange.confusion import Confusion, Count, by_class, check, merged, totals
from ratatouille.exchange.statistics import exact_accuracy, exact_balanced_accuracy, nearest_float
from ratatouille.record import Digest, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ShortText = Annotated[str, Field(max_length=200)]


class Evaluation(Record):
    """An evaluation: how the images of a cell were classified; `confusion` explains the forms of a matrix."""

    cell: Cell
    confusion: Confusion

    @property
    def count(self) -> int:
        """Number of images."""
        return totals(self.confusion)[1]

    @property
    def correct(self) -> int:
        """Number of images that are classified correctly."""
        return totals(self.confusion)[0]

    @property
    def accuracy(self) -> float:
        """Share of images that are classified correctly; NaN for no image."""
        return self.metric("accuracy")

    @property
    def balanced_accuracy(self) -> float:
        """Mean over the classes that occur of the share that is classified correctly; NaN for no image."""
        return self.metric("balanced_accuracy")

    def exact(self, name: str) -> Fraction | None:
        """The metric that a task names, `accuracy` or `balanced_accuracy`, to compare by; None for no image."""
        if name == "balanced_accuracy":
            return exact_balanced_accuracy(by_class(self.confusion))
        return exact_accuracy([totals(self.confusion)])

    def metric(self, name: str) -> float:
        """The float nearest to it, to show; NaN for no image."""
        return nearest_float(self.exact(name))

    @model_validator(mode="after")
    def _is_square(self) -> Evaluation:
        check(self.confusion)
        return self


class Pair(Record):
    """Two networks of a comparison on the images of one cell; `first` and `second` count from 0."""

    cell: Cell
    first: Count
    second: Count
    both: Count
    """Images that both classify correctly (N11 of docs/method.md §4.2)."""
    only_first: Count
    only_second: Count
    neither: Count
    cka: Annotated[float, Field(ge=0, le=1)] | None = None
    """Linear CKA of their features on these images; None where it is undefined."""

    @classmethod
    def of(
        cls, cell: Cell, first: int, second: int, right: Sequence[NDArray[np.bool_]], cka: float | None = None
    ) -> Pair:
        """The counts of two networks, from which images of the cell each network classifies correctly."""
        a, b = right[first], right[second]
        both, only_first, only_second = (int(some.sum()) for some in (a & b, a & ~b, ~a & b))
        neither = len(a) - both - only_first - only_second
        return cls(
            cell=cell,
            first=first,
            second=second,
            both=both,
            only_first=only_first,
            only_second=only_second,
            neither=neither,
            cka=cka,
        )


class Comparison(Record):
    """The counts of a `Compare`: the cells in the order of the question, for each network and for their ensemble."""

    networks: tuple[tuple[Evaluation, ...], ...]
    ensemble: tuple[Evaluation, ...] = ()
    pairs: tuple[Pair, ...] = ()


class CurvePoint(Record):
    """One evaluation during training: after `step` updates, mean training loss since the last point, scores."""

    step: Count
    loss: float | None
    validation_loss: float
    score: Annotated[float, Field(ge=0, le=1)]
    """Mean over training domains of the task's metric on the validation split."""


class Receipt(Record):
    """The answer to an assignment."""

    assignment: Assignment
    parents: tuple[Digest, ...] = ()
    """Ids of the versions that the input digests were taken from, in the order featurizer, head."""
    round: Annotated[str, Field(max_length=80)] | None = None
    """Id of the round that the work was first done for; other rounds share it."""
    node: Digest
    """Public key of the node, 32 bytes in hexadecimal."""
    featurizer: Digest | None = None
    head: Digest | None = None
    """Digests of the weights that the work made; None where it made none (evaluate, compare)."""
    evaluations: tuple[Evaluation, ...] = ()
    comparison: Comparison | None = None
    curve: tuple[CurvePoint, ...] = ()
    kept_step: Count | None = None
    images: Count = 0
    """Training images that were drawn from (not: drawn)."""
    seconds: NonNegativeFloat = 0.0
    """Time spent on the work itself: training, probing or evaluating."""
    overhead: NonNegativeFloat = 0.0
    """Time spent around it on the node: fetching, loading, encoding; the push itself comes after the signature."""
    software: Annotated[dict[ShortText, ShortText], Field(max_length=100)] = Field(default_factory=dict)
    device: ShortText = "cpu"
    """The processor that computed, by its own name, such as a GPU's; not the kind that an offer has."""
    note: Annotated[str, Field(max_length=500)] = ""

    @property
    def work_id(self) -> str:
        """The question that this answers."""
        return self.assignment.digest

    @property
    def makes_weights(self) -> bool:
        """Whether a version comes out of it."""
        return not isinstance(self.assignment, Evaluate | Compare)


@dataclass(frozen=True)
class Disclosure:
    """The part of an answer's counts that leaves the node."""

    smallest: int = 1
    """Mistakes that fewer images share are one number for each class."""
    counts: bool = True
    """False: neither counts nor the curve, only the weights."""


EVERYTHING = Disclosure()


def disclosed(receipt: Receipt, disclosure: Disclosure) -> Receipt:
    """The receipt as it is signed and sent."""
    if not disclosure.counts:
        return receipt.model_copy(update={"evaluations": (), "curve": ()})

    def limited(evaluations: tuple[Evaluation, ...]) -> tuple[Evaluation, ...]:
        return tuple(
            one.model_copy(update={"confusion": merged(one.confusion, disclosure.smallest)}) for one in evaluations
        )

    compared = receipt.comparison and receipt.comparison.model_copy(
        update={
            "networks": tuple(limited(cells) for cells in receipt.comparison.networks),
            "ensemble": limited(receipt.comparison.ensemble),
        }
    )
    return receipt.model_copy(update={"evaluations": limited(receipt.evaluations), "comparison": compared})
