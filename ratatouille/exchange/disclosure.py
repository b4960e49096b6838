"""Disclosure of counts: a node sends all of them, or fewer, as its owner chooses.

An answer is made whole first, so the node's own choices (its best step) go by exact counts. Then small mistakes are
merged, and a training beyond the node's budget sends no counts at all. What leaves a node is listed in `leaving`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ratatouille.exchange.confusion import merged
from ratatouille.exchange.receipt import Evaluation, Receipt


@dataclass(frozen=True)
class Disclosure:
    """How much of an answer's counts is told."""

    smallest: int = 1
    """Mistakes that fewer images share are one number for each class."""
    counts: bool = True
    """False: neither counts nor the curve, only the weights."""


EVERYTHING = Disclosure()


def disclosed(receipt: Receipt, disclosure: Disclosure) -> Receipt:
    """The receipt as it is signed and sent."""
    if not disclosure.counts:
        return receipt.model_copy(update={"evaluations": (), "curve": ()})

    def told(evaluations: tuple[Evaluation, ...]) -> tuple[Evaluation, ...]:
        return tuple(
            one.model_copy(update={"confusion": merged(one.confusion, disclosure.smallest)}) for one in evaluations
        )

    compared = receipt.comparison and receipt.comparison.model_copy(
        update={
            "networks": tuple(told(cells) for cells in receipt.comparison.networks),
            "ensemble": told(receipt.comparison.ensemble),
        }
    )
    return receipt.model_copy(update={"evaluations": told(receipt.evaluations), "comparison": compared})
