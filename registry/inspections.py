"""Inspections of weights, made where the bytes are and kept: how far contributions moved from their starts.

`inspect` takes a question to its answer, which is computed once and kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import INSPECTION_REVISION
from ratatouille.exchange.inspection import Gram, Inspected, Inspection, triangle
from ratatouille.exchange.version import Combination, Parent
from ratatouille.weights.architecture import Part
from ratatouille.weights.inspect import products, trained
from registry.averages import CombineInputs, gather
from registry.blobs.access import Blobs
from registry.cancellation import check_cancelled
from registry.database import Database, upsert
from registry.ledger.claims import Removed
from registry.lists import chunks
from registry.schema import InspectionRow, VersionRow


@dataclass(frozen=True)
class InspectInputs:
    """The weights of one part of an inspection."""

    part: Part
    origin: str
    """The digest that the others are compared with."""
    digests: Mapping[str, str]
    """The digest of each version's part, in the order of the answer."""
    inputs: CombineInputs

    def compute(self, blobs: Blobs) -> Gram:
        """The Gram matrix, for as long as the caller waits.

        Raises:
            Lost: for weights that are missing or damaged.
        """
        tensors = self.inputs.architecture.part(self.part, self.inputs.classes)
        vectors = list(self.digests.values())
        with blobs.reading({self.origin, *vectors}) as files:
            found = products(files, self.origin, vectors, tensors, check_cancelled)
        return Gram(ids=tuple(self.digests), elements=trained(tensors), products=triangle(found.tolist()))


def inspect(database: Database, blobs: Blobs, inspection: Inspection) -> Inspected:
    """The answer to an inspection, computed if it is not known.

    Raises:
        Refusal: for versions that are missing, were taken back, or have other architectures or no weights any more.
    """
    if inspection.revision != INSPECTION_REVISION:
        raise Refusal(
            f"inspection revision {inspection.revision} is asked for; this registry has {INSPECTION_REVISION}"
        )
    with database.read() as connection:
        known = inspected(connection, inspection.work_id)
        try:
            wanted = _gather(connection, inspection)
        except Removed:
            if known is None:
                raise
    if known is not None:
        return known
    answer = Inspected.model_validate({one.part: one.compute(blobs) for one in wanted})
    row = {"work_id": inspection.work_id, "record": inspection.to_json().decode(), "created": time.time()}
    with database.write() as connection:
        upsert(connection, InspectionRow, row | {"answer": answer.to_json().decode()})
    return answer


def inspected(connection: Connection, work_id: str) -> Inspected | None:
    """The answer to an inspection, if it was made before."""
    known = connection.execute(select(InspectionRow.answer).where(InspectionRow.work_id == work_id)).scalar()
    return None if known is None else Inspected.from_json(known)


def _gather(connection: Connection, inspection: Inspection) -> list[InspectInputs]:
    """What is looked at of each part; a head only where contributions have heads, all for one task."""
    ids = inspection.ids
    everything = tuple(dict.fromkeys((*ids, inspection.origin)))
    inputs = _inputs(connection, everything, "featurizer")
    featurizers = dict(zip(everything, (digest for digest, _ in inputs.featurizers), strict=True))
    found = [InspectInputs("featurizer", featurizers[inspection.origin], {id: featurizers[id] for id in ids}, inputs)]
    heads = _heads(connection, ids)
    tasks = {heads.get(id) for id in inspection.versions}
    if len(tasks) == 1 and None not in tasks:
        fitting = [id for id in ids if heads.get(id) in tasks]
        inputs = _inputs(connection, fitting, "both")
        digests = dict(zip(fitting, (digest for digest, _ in inputs.heads), strict=True))
        first = next((id for id in inspection.starts if id in digests), fitting[0])
        found.append(InspectInputs("head", digests[first], digests, inputs))
    return found


def _inputs(connection: Connection, ids: Sequence[str], parts: str) -> CombineInputs:
    parents = tuple(Parent(version=id) for id in ids)
    return gather(connection, Combination.model_validate({"parents": parents, "parts": parts}))


def _heads(connection: Connection, ids: Sequence[str]) -> dict[str, str | None]:
    """The task of each of these versions that has a head."""
    found: dict[str, str | None] = {}
    for some in chunks(ids):
        query = select(VersionRow.id, VersionRow.task).where(VersionRow.id.in_(some), VersionRow.head.is_not(None))
        found |= {row.id: row.task for row in connection.execute(query)}
    return found
