"""Examination of a receipt before a byte of its weights is taken; it reads receipt and database, and writes nothing.

The result says which files have to come, which tensors each must hold, which featurizer's buffers it must keep, and
which version they will make. The bytes are checked against it while they arrive (`ratatouille.weights.intake`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select
from sqlalchemy.orm import InstrumentedAttribute

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Evaluate, FineTune, Import, NodeAssignment, Probe
from ratatouille.exchange.confusion import class_count
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.version import Parent, Rule, Version
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture, Part, Tensor
from ratatouille.weights.canonical import size
from ratatouille.wording import number_of
from registry.ledger.definitions import architecture, task
from registry.ledger.members.standing import refuse_revoked
from registry.ledger.signed_changes import may_return
from registry.lists import chunks
from registry.records import State
from registry.schema import VersionRow
from registry.settings import read_settings
from registry.texts import LONGEST_NAME, storable

_PARENT = select(VersionRow.id, VersionRow.featurizer, VersionRow.head, VersionRow.architecture, VersionRow.task).where(
    VersionRow.id == bindparam("parent"), VersionRow.state.in_(bindparam("states", expanding=True))
)


@dataclass(frozen=True)
class WantedPart:
    """One file that belongs to a receipt."""

    part: Part
    digest: str
    tensors: Sequence[Tensor]
    ancestor: str | None
    """Digest of the featurizer whose buffers it must keep."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return size(self.tensors)


@dataclass(frozen=True)
class StartVersion:
    """A version that a receipt names as parent."""

    id: str
    featurizer: str
    head: str | None
    architecture: str
    task: str | None


@dataclass(frozen=True)
class Examined:
    """A receipt that may be admitted once its files have come."""

    receipt: Receipt
    wanted: tuple[WantedPart, ...]
    version: Version | None
    evaluated: tuple[str, str] | None
    """The featurizer and head that its evaluations are about."""


def examine(connection: Connection, receipt: Receipt, retracted: bool = False) -> Examined:
    """Check a receipt against the registry's rows; returns what must come before it is admitted.

    Args:
        connection: a transaction.
        receipt: a node's, with its signature already checked.
        retracted: whether parents may have been retracted since, as happens to what a bundle brings.

    Raises:
        Refusal: naming the first thing that does not fit.
    """
    refuse_revoked(connection, receipt.node)
    work = receipt.assignment
    storable(receipt.note, "the receipt's note")
    storable(receipt.round or "", "the receipt's round", LONGEST_NAME)
    network = architecture(connection, work.architecture)
    about = task(connection, work.task) if work.task is not None else None
    if about is not None and work.task != about.digest:
        raise Refusal(f"the assignment names its task as {work.task}; it takes the digest {about.digest[:12]}…")
    parents = _parents(connection, receipt, ("admitted", "retracted") if retracted else ("admitted",))
    match work:
        case Import():
            storable(work.source, "the import's source")
            _check_import(work, receipt, parents)
            if not retracted:
                _refuse_taken_back(connection, work)
        case Evaluate():
            _refuse_weights(receipt)
            _check_known(connection, work, [work.featurizer], [work.head])
            _check_evaluations(receipt, about, exactly=True)
            return Examined(receipt, (), None, (work.featurizer, work.head))
        case Compare():
            _refuse_weights(receipt)
            featurizers = [one.part for mixture in work.networks for one in mixture.featurizer]
            heads = [one.part for mixture in work.networks for one in mixture.head]
            _check_known(connection, work, featurizers, heads)
            assert about is not None
            reviewed = [] if work.about is None else [work.about]
            if _unknown(connection, VersionRow.id, reviewed, VersionRow.task == work.task):
                raise Refusal(f"version {reviewed[0][:12]}… is under review, and is no version here for this task")
            _check_comparison(work, receipt, about)
            return Examined(receipt, (), None, None)
        case Probe() | FineTune():
            _check_training(work, receipt, parents)
            _check_evaluations(receipt, about, exactly=False)
    if receipt.featurizer is None:
        raise Refusal(f"this receipt of a {work.kind} names no featurizer")
    version = Version(
        featurizer=receipt.featurizer,
        head=receipt.head,
        architecture=work.architecture,
        task=work.task if receipt.head else None,
        parents=tuple(Parent(version=id) for id in dict.fromkeys(receipt.parents)),
        rule=Rule(name=work.kind, revision=1 if isinstance(work, Import) else work.revision),
        receipt=receipt.digest,
    )
    wanted = _wanted(receipt, network, about, parents)
    largest = read_settings(connection).largest_part_bytes
    for one in wanted:
        if one.size > largest:
            raise Refusal(f"the {one.part} has {one.size} bytes; this registry takes at most {largest} in one part")
    evaluated = (receipt.featurizer, receipt.head) if receipt.head else None
    return Examined(receipt, wanted, version, evaluated)


def _wanted(
    receipt: Receipt, network: Architecture, about: Task | None, parents: Sequence[StartVersion]
) -> tuple[WantedPart, ...]:
    assert receipt.featurizer is not None
    start = parents[0].featurizer if parents else None
    wanted = [WantedPart("featurizer", receipt.featurizer, network.part("featurizer", 0), start)]
    if receipt.head is not None:
        assert about is not None
        wanted.append(WantedPart("head", receipt.head, network.part("head", len(about.classes)), None))
    return tuple(wanted)


def _parents(connection: Connection, receipt: Receipt, states: Sequence[State]) -> list[StartVersion]:
    starts = []
    for id in receipt.parents:
        row = connection.execute(_PARENT, {"parent": id, "states": states}).first()
        if row is None:
            raise Refusal(f"parent {id[:12]}… is no version of this registry")
        if row.architecture != receipt.assignment.architecture:
            raise Refusal(f"parent {id[:12]}… has another architecture than the assignment")
        starts.append(StartVersion(*row))
    return starts


def _check_import(work: Import, receipt: Receipt, parents: Sequence[StartVersion]) -> None:
    if (receipt.featurizer, receipt.head) != (work.featurizer, work.head):
        raise Refusal("this receipt names other weights than the import that it answers")
    if (work.head is None) != (work.task is None):
        raise Refusal("a head and its task are imported together, or neither")
    if receipt.evaluations:
        raise Refusal("an import carries no evaluations; evaluate the version afterwards")
    if len(parents) > 2:
        raise Refusal("a receipt names at most two parents: of its featurizer and of its head")


def _refuse_taken_back(connection: Connection, work: Import) -> None:
    """Refuse an import of weights that were taken back, whole or with another head.

    A featurizer that a version shares which stands (a probe keeps that of the foundation) was not taken back, nor was
    one whose receipt may come again by a later signed change.
    """
    same = (VersionRow.featurizer == work.featurizer, VersionRow.architecture == work.architecture)
    whole = (*same, VersionRow.head == work.head)
    for conditions, what in ((same, "this featurizer is"), (whole, "these weights are")):
        columns = (VersionRow.id, VersionRow.state, VersionRow.receipt)
        rows = connection.execute(select(*columns).where(*conditions)).all()
        gone = [
            row.id
            for row in rows
            if row.state == "retracted" and (row.receipt is None or not may_return(connection, row.receipt))
        ]
        if gone and len(gone) == len(rows):
            raise Refusal(
                f"{what} that of version {gone[0][:12]}…, which was taken back (`ratatouille show {gone[0][:12]}` says "
                "why); train it again from a version that stands"
            )


def _check_training(work: Probe | FineTune, receipt: Receipt, parents: Sequence[StartVersion]) -> None:
    if not parents:
        raise Refusal(f"this receipt of a {work.kind} names no parent; its order names the start's version")
    if len(parents) > 2:
        raise Refusal("a receipt names at most two parents: of its featurizer and of its head")
    if parents[0].featurizer != work.featurizer:
        raise Refusal(f"parent {parents[0].id[:12]}… does not have the featurizer that the work started from")
    if isinstance(work, FineTune):
        if parents[-1].head != work.head or parents[-1].task != work.task:
            raise Refusal(
                f"parent {parents[-1].id[:12]}… does not have the head for this task that the work started from"
            )
    elif receipt.featurizer != work.featurizer:
        raise Refusal("a probe must return the featurizer that it was given, unchanged")
    if receipt.head is None:
        raise Refusal(f"this receipt of a {work.kind} names no head")


def _refuse_weights(receipt: Receipt) -> None:
    if receipt.featurizer or receipt.head:
        raise Refusal(f"work of kind {receipt.assignment.kind} makes no weights, but this receipt names some")


def _check_known(
    connection: Connection, work: NodeAssignment, featurizers: Sequence[str], heads: Sequence[str]
) -> None:
    of_kind = (VersionRow.state == "admitted", VersionRow.architecture == work.architecture)
    if strange := _unknown(connection, VersionRow.featurizer, featurizers, *of_kind):
        raise Refusal(f"featurizer {strange[:12]}… belongs to no version of this architecture")
    if strange := _unknown(connection, VersionRow.head, heads, *of_kind, VersionRow.task == work.task):
        raise Refusal(f"head {strange[:12]}… belongs to no version of this task and architecture")


def _unknown(
    connection: Connection, column: InstrumentedAttribute[Any], digests: Sequence[str], *conditions: ColumnElement[bool]
) -> str | None:
    """The first of these digests that no version has in this column; a hostile question may name very many."""
    for chunk in chunks(dict.fromkeys(digests)):
        known = set(connection.execute(select(column).where(column.in_(chunk), *conditions)).scalars())
        strange = next((digest for digest in chunk if digest not in known), None)
        if strange is not None:
            return strange
    return None


def _check_comparison(work: Compare, receipt: Receipt, about: Task) -> None:
    """Every network has every cell once, in the order of the question, and pairs are of networks that there are."""
    if receipt.comparison is None or receipt.evaluations:
        raise Refusal("the answer to a comparison is a comparison, and nothing else")
    found = receipt.comparison
    if len(found.networks) != len(work.networks) or bool(found.ensemble) != work.ensemble:
        raise Refusal(
            f"this receipt counts {number_of(len(found.networks), 'network')}; {len(work.networks)} were to be compared"
        )
    for row in (*found.networks, *([found.ensemble] if work.ensemble else [])):
        if tuple(evaluation.cell for evaluation in row) != work.cells:
            raise Refusal("this receipt's comparison fills other cells than were asked for")
        for evaluation in row:
            _check_shape(evaluation, about)
    images = {evaluation.cell: evaluation.count for evaluation in found.networks[0]}
    if found.pairs and not work.pairs:
        raise Refusal("this receipt counts pairs, and none were asked for")
    for pair in found.pairs:
        if not pair.first < pair.second < len(work.networks) or pair.cell not in images:
            raise Refusal("this receipt counts a pair of networks or a cell that the comparison does not have")
        if pair.both + pair.only_first + pair.only_second + pair.neither != images[pair.cell]:
            raise Refusal("the counts of a pair of networks do not add up to the images of its cell")


def _check_evaluations(receipt: Receipt, about: Task | None, exactly: bool) -> None:
    work = receipt.assignment
    assert about is not None
    assert not isinstance(work, Import | Compare)
    cells = [evaluation.cell for evaluation in receipt.evaluations]
    if len(set(cells)) < len(cells):
        raise Refusal("this receipt fills the same cell twice")
    if isinstance(work, Evaluate):
        if exactly and set(cells) != set(work.cells):
            raise Refusal(
                f"this receipt fills {number_of(len(cells), 'cell')}, and {len(work.cells)} (others) were asked for"
            )
    elif strange := [cell.domain for cell in cells if cell.domain not in work.domains]:
        raise Refusal(f"this receipt counts on domain {strange[0]}, which the assignment does not name")
    for evaluation in receipt.evaluations:
        _check_shape(evaluation, about)


def _check_shape(evaluation: Evaluation, about: Task) -> None:
    rows, classes = class_count(evaluation.confusion), len(about.classes)
    if rows != classes:
        cell = evaluation.cell
        raise Refusal(
            f"the counts of {cell.domain}/{cell.split}/{cell.slice} are {rows} × {rows}; "
            f"task {about.name} has {classes} classes"
        )
