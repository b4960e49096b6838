"""Outcomes of work, and the receipts that are made of them; previews need no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, CurvePoint, Evaluation, Receipt


@dataclass(frozen=True)
class WorkOutcome:
    """The outcome of an assignment: digests of the weights it stands for (None for an evaluation), and its counts.

    `files` has what was newly made. A probe's featurizer is the one it was given, so only its head is among them.
    """

    featurizer: str | None = None
    head: str | None = None
    files: dict[str, Path] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()
    comparison: Comparison | None = None
    curve: tuple[CurvePoint, ...] = ()
    kept_step: int | None = None
    images: int = 0
    seconds: float = 0.0
    software: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"
    note: str = ""


def receipt_of(order: Order, outcome: WorkOutcome, node: str, overhead: float) -> Receipt:
    """The whole receipt; the node's disclosure takes away what stays on its machine (`exchange.receipt.disclosed`)."""
    return Receipt(
        assignment=order.assignment,
        parents=order.parents,
        round=order.round,
        node=node,
        featurizer=outcome.featurizer,
        head=outcome.head,
        evaluations=outcome.evaluations,
        comparison=outcome.comparison,
        curve=outcome.curve,
        kept_step=outcome.kept_step,
        images=outcome.images,
        seconds=outcome.seconds,
        overhead=max(0.0, overhead),
        software=outcome.software,
        device=outcome.device,
        note=outcome.note,
    )
