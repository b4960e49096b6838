"""Combinations of versions, made where the bytes are. Every reader can make one again and compare it, bit for bit.

`gather` finds the inputs: the digests of the parents' parts with their coefficients. `CombineInputs.write` computes one
part. A `CombineJob` works like a push: it claims what it relies on before it looks, stores its outputs, and writes rows
last (`claims`). `combine` takes a question to its version.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, select

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.exchange.version import Combination, Version
from ratatouille.record import sha256
from ratatouille.weights.architecture import Architecture, Part
from ratatouille.weights.canonical import size
from ratatouille.weights.combine import Term, combine_files, sole
from ratatouille.weights.methods import MEAN, Parameters
from registry.blobs.access import Blobs
from registry.blobs.inbox import IncomingFile
from registry.blobs.store import missing
from registry.cancellation import cancellable
from registry.contributions.ledger import check_parents, enter_blob, enter_version
from registry.database import Database
from registry.ledger.answers import answer
from registry.ledger.claims import Claims, Removed, live, refuse_removed, removed
from registry.ledger.definitions import architecture, task
from registry.ledger.event_log import note
from registry.records import Result
from registry.schema import EventRow, VersionRow

PATIENCE_SECONDS = 4 * 3600.0
"""How long a second caller waits for the first one's average."""

Share = tuple[str, int | float]
"""A digest with its coefficient."""


@dataclass(frozen=True)
class CombineInputs:
    """The inputs of a combination."""

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
        """Compute one part, from copies if they are `cached`, for as long as the caller waits; returns its digest.

        Raises:
            Refusal: as `ratatouille.weights.combine.combine_files`, and for weights that are missing or damaged.
        """
        shares = [(digest, coefficient) for digest, coefficient in self.shares(part) if coefficient != 0]
        with blobs.reading([digest for digest, _ in shares], cached) as sources:
            terms = [Term(digest, sources[digest], coefficient) for digest, coefficient in shares]
            tensors = self.architecture.part(part, self.classes)
            return combine_files(terms, tensors, cancellable(output), self.method, self.parameters)


def gather(connection: Connection, combination: Combination, past: bool = False) -> CombineInputs:
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
    return CombineInputs(
        architecture=architecture(connection, rows[0].architecture),
        classes=len(about.classes) if about else 0,
        task=rows[0].task if both else None,
        featurizers=[(row.featurizer, each) for row, each in pairs],
        heads=[(row.head, each) for row, each in pairs] if both else [],
        method=combination.method,
        parameters=combination.parameters,
    )


@dataclass(frozen=True)
class CombineOutput:
    """One part of the result."""

    part: Part
    size: int
    receiving: IncomingFile | None
    """Its file; none when it is one of the inputs itself."""


class CombineJob:
    """The temporary files of one combination; leaving the context removes those that were not stored."""

    def __init__(self, database: Database, blobs: Blobs, work_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._work_id = work_id
        # another machine may make the same average now, and relies on its own claims
        self._claims = Claims(blobs.inbox, sha256(f"{work_id} in {blobs.inbox.name}".encode()))
        self._outputs: dict[str, CombineOutput] = {}

    def __enter__(self) -> CombineJob:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        for output in self._outputs.values():
            if output.receiving is not None:
                output.receiving.discard()
                output.receiving.close()
        if kind is not None:
            with self._database.write() as connection:
                self._claims.release(connection)

    def claim(self, inputs: CombineInputs) -> None:
        """Claim everything that is averaged, and room for the results."""
        sizes = {digest: 0 for part in inputs.parts for digest, _ in inputs.shares(part)}
        for part in inputs.parts:
            if sole(inputs.shares(part)) is None:
                sizes[self._temporary(part)] = inputs.size(part)
        with self._database.write() as connection:
            self._claims.take(connection, sizes)
            refuse_removed(connection, sizes)

    def compute(self, inputs: CombineInputs, part: Part) -> str:
        """Compute one part into a temporary file; returns the digest. A mean of equal files is that file."""
        size, same = inputs.size(part), sole(inputs.shares(part))
        if same is not None:
            self._outputs[same] = CombineOutput(part, size, None)
            return same
        receiving = self._blobs.inbox.receive(self._temporary(part))
        try:
            digest = receiving.fill(lambda output: inputs.write(self._blobs, part, output))
        except BaseException:
            receiving.discard()
            receiving.close()
            raise
        self._outputs[digest] = CombineOutput(part, size, receiving)
        return digest

    def store(self) -> None:
        """Store the results, but those that are here already."""
        with self._database.write() as connection:
            self._claims.take(connection, dict.fromkeys(self._outputs, 0))
            owned = live(connection, self._outputs)
        for digest, output in self._outputs.items():
            if digest in owned and self._blobs.holds(digest, output.size):
                continue
            if output.receiving is None:
                raise missing(digest)
            self._blobs.place(output.receiving, digest)

    def commit(self, connection: Connection) -> None:
        """Write the rows of the results."""
        self._claims.check(connection, self._outputs)
        for digest, output in self._outputs.items():
            enter_blob(connection, digest, output.part, output.size)
        self._claims.release(connection)

    def _temporary(self, part: Part) -> str:
        return sha256(f"{self._work_id}/{part}".encode())


def combine(database: Database, blobs: Blobs, combination: Combination, round: str | None, message: str) -> Result:
    """Enter the average of versions, or return it if it is known.

    Raises:
        Refusal: as `gather`, and for buffers that differ, or coefficients that sum to nothing.
        Unreachable: when there is no room for the result, or the store does not answer.
    """
    if combination.revision != COMBINATION_REVISION:
        raise Refusal(
            f"combination revision {combination.revision} is asked for; this registry has {COMBINATION_REVISION}"
        )
    work_id = combination.work_id
    with database.read() as connection:
        known = answer(connection, work_id)
    if known is None or known.collected is not None:
        # one at a time for each question; the second finds it answered
        with blobs.inbox.receive(work_id, patience=PATIENCE_SECONDS) as question:
            try:
                with database.read() as connection:
                    known = answer(connection, work_id)
                if known is None or known.collected is not None:
                    return _make(database, blobs, combination, round, message)
            except Removed:
                if known is None:
                    raise  # else it is known, and stays without weights since its parents have none
            finally:
                question.discard()
    if round is not None and known.version is not None:
        _mark(database, round, known.version)
    return known


def _make(database: Database, blobs: Blobs, combination: Combination, round: str | None, message: str) -> Result:
    begun = time.monotonic()
    with database.read() as connection:
        inputs = gather(connection, combination)
    with CombineJob(database, blobs, combination.work_id) as job:
        job.claim(inputs)
        digests = {part: job.compute(inputs, part) for part in inputs.parts}
        job.store()
        version = Version(
            featurizer=digests["featurizer"],
            head=digests.get("head"),
            architecture=inputs.architecture.digest,
            task=inputs.task,
            parents=combination.parents,
            rule=combination.rule,
            receipt=None,
        )
        with database.write() as connection:
            check_parents(connection, version)
            job.commit(connection)
            enter_version(connection, version, combination.work_id, message, time.monotonic() - begun, round)
            result = answer(connection, combination.work_id)
    assert result is not None
    return result


def _mark(database: Database, round: str, version: str) -> None:
    """Name a version that was known before in the round's log."""
    with database.write() as connection:
        named = select(EventRow.number).where(EventRow.round == round, EventRow.subject == version)
        if connection.execute(named.limit(1)).first() is None:
            note(connection, round, "version", version, "known before this round")
