"""Two versions side by side: how far each tensor moved, what both were counted on, and where they part.

Made where the bytes are. What cannot be compared (other architectures, heads for other tasks) is said in a sentence for
that part, and the rest is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ratatouille.exchange.version import Version
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import PARTS, Architecture, Part, Tensor
from ratatouille.weights.difference import Distance, distances, together
from registry.blobs.access import Blobs
from registry.blobs.store import Lost
from registry.cancellation import check_cancelled
from registry.database import Database
from registry.history.lineage import relation
from registry.history.queries import entry_of, evaluations_of
from registry.history.side_by_side import joint, side_by_side
from registry.ledger.definitions import architecture, task
from registry.ledger.revisions import resolve
from registry.records import Difference, Entry, PartDifference, TensorDifference


@dataclass(frozen=True)
class DiffSide:
    """One of the two versions."""

    entry: Entry
    architecture: Architecture
    task: Task | None

    @property
    def version(self) -> Version:
        """Its record."""
        return self.entry.version

    def digest(self, part: Part) -> str | None:
        """The weights of one part."""
        return self.version.featurizer if part == "featurizer" else self.version.head

    def called(self) -> str:
        """The beginning of its id."""
        return f"{self.entry.id[:12]}…"


def diff(
    database: Database, blobs: Blobs, first: str, second: str, weights: bool = True, holding: str | None = None
) -> Difference:
    """Compare two versions; without their weights if these are not wanted, and on one holding only if one is named.

    Raises:
        Refusal: for a revision that is none.
    """
    with database.read() as connection:
        one, two = _side(connection, first), _side(connection, second)
        related = relation(connection, one.entry.id, two.entry.id)
        counted = joint(connection, one.version, two.version)
        ones, twos = (
            [each for each in evaluations_of(connection, side.version) if holding in (None, each.fingerprint)]
            for side in (one, two)
        )
        rows = side_by_side(ones, twos, counted)
    return Difference(
        first=one.entry,
        second=two.entry,
        relation=related,
        parts=tuple(_part(blobs, one, two, part) for part in PARTS) if weights else (),
        evaluations=rows,
    )


def _side(connection: Connection, revision: str) -> DiffSide:
    entry = entry_of(connection, resolve(connection, revision))
    about = entry.version.task
    return DiffSide(
        entry, architecture(connection, entry.version.architecture), task(connection, about) if about else None
    )


def _part(blobs: Blobs, one: DiffSide, two: DiffSide, part: Part) -> PartDifference:
    first, second = one.digest(part), two.digest(part)
    if reason := _incomparable(one, two, part):
        return PartDifference(part=part, reason=reason)
    if first is None or second is None:
        return PartDifference(part=part, reason="neither version has one")
    tensors = one.architecture.part(part, len(one.task.classes) if one.task else 0)
    if first == second:
        return PartDifference(
            part=part, same=True, elements=sum(each.elements for each in _weights(tensors)), distance=0.0
        )
    found: dict[str, Distance] = {}
    try:
        with blobs.reading([first, second]) as sources:
            for tensor, one_distance in distances(sources[first], sources[second], tensors):
                check_cancelled()  # hundreds of megabytes: the caller may have gone
                found[tensor.name] = one_distance
    except Lost as lost:
        return PartDifference(part=part, reason=str(lost))
    return _described(part, tensors, found)


def _incomparable(one: DiffSide, two: DiffSide, part: Part) -> str:
    """Why a part of the one and of the other cannot be compared; empty where it can."""
    if one.version.architecture != two.version.architecture:
        names = f"{one.architecture.name} and {two.architecture.name}"
        what = names if one.architecture.name != two.architecture.name else f"two records of {one.architecture.name}"
        return f"the versions have different architectures ({what}), so no tensor of the one is one of the other's"
    if part == "head":
        if (one.version.head is None) != (two.version.head is None):
            return f"only {(two if one.version.head is None else one).called()} has one"
        if one.version.task != two.version.task and one.task is not None and two.task is not None:
            return f"the heads are for different tasks ({one.task.name} and {two.task.name})"
    return ""


def _described(part: Part, tensors: Sequence[Tensor], found: Mapping[str, Distance]) -> PartDifference:
    whole = together(found[tensor.name] for tensor in _weights(tensors))
    return PartDifference(
        part=part,
        elements=whole.elements,
        distance=whole.relative,
        largest=whole.largest,
        changed=whole.changed / whole.elements if whole.elements else 0.0,
        tensors=tuple(_tensor(tensor, found[tensor.name]) for tensor in tensors),
    )


def _weights(tensors: Sequence[Tensor]) -> list[Tensor]:
    """All but counters of batches, whose sizes would drown everything else."""
    return [tensor for tensor in tensors if tensor.dtype == "F32"]


def _tensor(tensor: Tensor, found: Distance) -> TensorDifference:
    return TensorDifference(
        name=tensor.name,
        elements=found.elements,
        buffer=tensor.buffer,
        distance=found.relative,
        largest=found.largest,
        changed=found.changed / found.elements if found.elements else 0.0,
    )
