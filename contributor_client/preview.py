"""Previews of receipts: every field of the receipt that a node would send for an order, made without doing the work.

A preview is made by the same code as a receipt (`training.outcome.receipt_of`, `exchange.receipt.disclosed`). A value
that only the work can give is a placeholder of the right form and about the right size, and is marked as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Evaluate, FineTune, Import, NodeAssignment, Probe
from ratatouille.exchange.confusion import confusion_of
from ratatouille.exchange.inspection import Inspected
from ratatouille.exchange.leaving import MEANINGS
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, CurvePoint, Disclosure, Evaluation, Pair, Receipt, disclosed
from ratatouille.exchange.signing import Sealed
from ratatouille.recipes.admission import Known
from ratatouille.recipes.plan import plan
from ratatouille.recipes.round import Round
from ratatouille.record import Digest, Record, canonical_json
from ratatouille.tasks.holding import Holding
from ratatouille.training.outcome import WorkOutcome, receipt_of
from ratatouille.weights.canonical import size
from registry.records import Result
from registry.round_work import latest_rounds
from registry.services.registry import Registry

PLACEHOLDER = "0" * 64
"""Stands for a digest that only the work can give."""
_SHORTEST = 4
_FROM_WORK = (
    *("featurizer", "head", "evaluations", "comparison", "curve", "kept_step"),
    *("seconds", "overhead", "software", "device", "note"),
)
"""Fields whose values only the work can give."""


class PreviewField(Record):
    """A field of a receipt, or of the records in it."""

    field: str
    means: str
    bytes: int
    """Its length as JSON; of a field in several records, of all of them together."""
    value: Any = None
    placeholder: bool = False
    """Whether only the work can give the value."""


class PreviewWeights(Record):
    """Weights that leave beside a receipt."""

    part: str
    sha256: Digest
    bytes: int | None
    """None where it is not known."""
    placeholder: bool = False


class Preview(Record):
    """A receipt, field by field, and the weights that leave with it."""

    sent: bool
    """Whether it was sent, or was about to be; else the node would send it."""
    work_id: Digest
    kind: str
    label: str
    fields: tuple[PreviewField, ...]
    weights: tuple[PreviewWeights, ...] = ()
    bytes: int
    """Of the signed receipt."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnsweringNode:
    """The node that would answer: its key, what it holds, and how much of its counts it discloses."""

    key: str
    holdings: Sequence[Holding]
    disclosure: Disclosure


def find_order(registry: Registry, beginning: str) -> Order:
    """The order with this question, or the beginning of its id, in the newest rounds or among owed evaluations.

    Raises:
        Refusal: when there is none, or there are several.
    """
    if len(beginning) < _SHORTEST:
        raise Refusal(f"'{beginning}' is too short for a question's id; type {_SHORTEST} characters or more")
    found = {one.work_id: one.order for one in registry.work.obligations() if one.work_id.startswith(beginning)}
    for spec in [] if found else latest_rounds(registry):
        if not found:
            found |= {id: one for id, one in _orders(registry, spec) if id.startswith(beginning)}
    if len(found) > 1:
        raise Refusal(f"'{beginning}' is the beginning of {len(found)} questions; type more of it")
    if not found:
        raise Refusal(
            f"no round of this registry asks a question '{beginning}'; `ratatouille node outbox --kind lease` lists "
            "those that this node worked on"
        )
    return next(iter(found.values()))


def _orders(registry: Registry, spec: str) -> Iterator[tuple[str, Order]]:
    """The questions to nodes of a round, as far as the known answers determine them."""
    round, facts, inspected = Round.from_json(spec), dict[str, Result](), dict[str, Inspected]()
    while True:
        found = plan(round, facts, known=Known(inspected))
        news = registry.work.results([one for one in found.questions if one not in facts])
        seen = {id: one for id in found.inspections if (one := registry.review.inspected(id)) is not None}
        if not news and not seen:
            break
        facts.update(news)
        inspected |= seen
    yield from ((id, one) for id, one in found.questions.items() if isinstance(one, Order))


def preview_of(order: Order, node: AnsweringNode, registry: Registry) -> Preview:
    """The receipt that this node would send for an order.

    Raises:
        Refusal: for an order that no node answers, or of an architecture or task that the registry does not know.
    """
    assignment = order.assignment
    if isinstance(assignment, Import):
        raise Refusal("an import is not work for a node; `ratatouille push` sends it")
    classes = len(registry.definitions.task(assignment.task).classes)
    holding = next((one for one in node.holdings if one.fingerprint == assignment.fingerprint), None)
    outcome = _placeholder_outcome(assignment, holding, classes)
    receipt = disclosed(receipt_of(order, outcome, node.key, 0.0), node.disclosure)
    notes = ["the registry has an answer to this question already"] if registry.work.results([receipt.work_id]) else []
    if holding is None:
        notes.append("this node does not offer the data that the order is about: it would refuse it")
    architecture = registry.definitions.architecture(assignment.architecture)
    weights = [
        PreviewWeights(part=part, sha256=PLACEHOLDER, bytes=size(tensors), placeholder=True)
        for part, tensors in (
            ("featurizer", architecture.part("featurizer", classes) if isinstance(assignment, FineTune) else ()),
            ("head", architecture.part("head", classes) if receipt.makes_weights else ()),
        )
        if tensors
    ]
    return _preview(receipt, order.label, weights, False, notes)


def preview_of_sent(sealed: Sealed, sizes: dict[str, int]) -> Preview:
    """A receipt that was sent; `sizes` are bytes by digest of weights."""
    receipt = Receipt.from_json(sealed.body)
    kept = receipt.assignment.featurizer if isinstance(receipt.assignment, Probe) else None
    weights = [
        PreviewWeights(part=part, sha256=digest, bytes=sizes.get(digest))
        for part, digest in (("featurizer", receipt.featurizer), ("head", receipt.head))
        if digest is not None and digest != kept
    ]
    return _preview(receipt, "", weights, True, [])


def _preview(
    receipt: Receipt, label: str, weights: Sequence[PreviewWeights], sent: bool, notes: Sequence[str]
) -> Preview:
    sealed = Sealed(body=receipt.to_json().decode(), node=receipt.node, signature="0" * 128)
    return Preview(
        sent=sent,
        work_id=receipt.work_id,
        kind=receipt.assignment.kind,
        label=label,
        fields=tuple(_fields(receipt, sent)),
        weights=tuple(weights),
        bytes=len(sealed.to_json()),
        notes=tuple(notes),
    )


def _fields(receipt: Receipt, sent: bool) -> Iterator[PreviewField]:
    values = receipt.model_dump(mode="json")
    for name, means in MEANINGS[Receipt].items():
        learned = not sent and name in _FROM_WORK and bool(getattr(receipt, name) or name in ("seconds", "overhead"))
        if isinstance(receipt.assignment, Probe) and name == "featurizer":
            learned = False
        yield _field(name, means, values[name], learned)
        yield from _inner(name, getattr(receipt, name), learned)


def _inner(name: str, value: object, learned: bool) -> Iterator[PreviewField]:
    """The fields of the records in a field, all records of a kind together; the value is that of the first."""
    records = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Record)]
    if not records or type(records[0]) not in MEANINGS:
        return
    for field, means in MEANINGS[type(records[0])].items():
        parts = [one.model_dump(mode="json").get(field) for one in records]
        whole = _field(f"{name}.{field}", means, parts, learned)
        yield whole.model_copy(update={"value": parts[0]})


def _field(name: str, means: str, value: Any, placeholder: bool) -> PreviewField:
    return PreviewField(field=name, means=means, bytes=len(canonical_json(value)), value=value, placeholder=placeholder)


def _placeholder_outcome(assignment: NodeAssignment, holding: Holding | None, classes: int) -> WorkOutcome:
    """An outcome of the right form: every image is counted as recognised, and every digest is `PLACEHOLDER`."""
    software, device = {"python": "as installed here"}, "as it is here"

    def counted(cells: Sequence[Cell]) -> tuple[Evaluation, ...]:
        return tuple(_counts(cell, holding, classes) for cell in cells)

    match assignment:
        case FineTune() | Probe():
            images = sum(holding.total(domain, "train") for domain in assignment.domains) if holding else 0
            cells = [Cell(domain=domain, split="validation") for domain in assignment.domains]
            trained = WorkOutcome(
                featurizer=assignment.featurizer,
                head=PLACEHOLDER,
                evaluations=counted(cells),
                images=images,
                software=software,
                device=device,
            )
            if isinstance(assignment, Probe):
                return replace(trained, note="largest gradient entry left: 1.0e-08")
            return _tuned(trained, assignment)
        case Evaluate():
            return WorkOutcome(evaluations=counted(assignment.cells), software=software, device=device)
        case Compare():
            comparison = _compared(assignment, counted(assignment.cells))
            return WorkOutcome(comparison=comparison, software=software, device=device)


def _tuned(trained: WorkOutcome, assignment: FineTune) -> WorkOutcome:
    steps = range(0, assignment.steps + 1, assignment.evaluate_every)
    curve = tuple(CurvePoint(step=step, loss=1.0, validation_loss=1.0, score=0.5) for step in steps)
    return replace(trained, featurizer=PLACEHOLDER, curve=curve, kept_step=assignment.steps)


def _compared(assignment: Compare, cells: tuple[Evaluation, ...]) -> Comparison:
    several = range(len(assignment.networks))
    pairs = tuple(
        Pair(cell=one.cell, first=first, second=second, both=one.count, only_first=0, only_second=0, neither=0)
        for one in cells
        for first in several
        for second in several
        if first < second and assignment.pairs
    )
    ensemble = cells if assignment.ensemble else ()
    return Comparison(networks=tuple(cells for _ in several), ensemble=ensemble, pairs=pairs)


def _counts(cell: Cell, holding: Holding | None, classes: int) -> Evaluation:
    splits = holding.counts.get(cell.domain, {}) if holding else {}
    rows = [row for side, row in splits.items() if cell.split in ("all", side)]
    images = [sum(column) for column in zip(*rows, strict=True)] or [0] * classes
    return Evaluation(cell=cell, confusion=confusion_of(classes, [(place, place, n) for place, n in enumerate(images)]))
