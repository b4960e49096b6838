"""Combined versions: weighted means that the registry makes where the bytes are, and can make again to the bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from sqlalchemy import Connection, Row, delete, select

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.exchange.version import Combination, Rule, Version
from ratatouille.record import sha256
from ratatouille.weights.architecture import Architecture, Part
from ratatouille.weights.canonical import size
from ratatouille.weights.combine import Term, combine_files, sole
from registry.answers import answer
from registry.blobs import Blobs
from registry.chronicle import note
from registry.database import Database
from registry.definitions import architecture, task
from registry.ledger import enter_blob, enter_version
from registry.publish import is_blob, reserve
from registry.receiving import Receiving
from registry.records import Result
from registry.schema import EventRow, UploadRow, VersionRow

PATIENCE_SECONDS = 4 * 3600.0
"""How long a second asker waits for the first."""


@dataclass(frozen=True)
class Ingredients:
    """What a combination is made from."""

    architecture: Architecture
    classes: int
    task: str | None
    featurizers: Sequence[Term]
    heads: Sequence[Term]
    """Empty when only the featurizers are combined."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts that the result has."""
        return ("featurizer", "head") if self.heads else ("featurizer",)

    def terms(self, part: Part) -> Sequence[Term]:
        """The files of one part."""
        return self.featurizers if part == "featurizer" else self.heads

    def size(self, part: Part) -> int:
        """Length of the result's file."""
        return size(self.architecture.part(part, self.classes))

    def write(self, part: Part, output: BinaryIO) -> str:
        """Compute one part; returns its digest."""
        return combine_files(self.terms(part), self.architecture.part(part, self.classes), output)


def gather(connection: Connection, blobs: Blobs, combination: Combination, retracted: bool = False) -> Ingredients:
    """The files that a combination averages.

    Raises:
        Refusal: naming the parent that is missing or does not match the first one.
    """
    rows: list[Row[Any]] = []
    for parent in combination.parents:
        row = connection.execute(select(VersionRow).where(VersionRow.id == parent.version)).first()
        if row is None or (row.state != "admitted" and not retracted):
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
    coefficients = [parent.coefficient for parent in combination.parents]
    pairs = list(zip(rows, coefficients, strict=True))
    both = combination.parts == "both"
    about = task(connection, rows[0].task) if both else None
    return Ingredients(
        architecture=architecture(connection, rows[0].architecture),
        classes=len(about.classes) if about else 0,
        task=rows[0].task if both else None,
        featurizers=[Term(row.featurizer, blobs.path(row.featurizer), each) for row, each in pairs],
        heads=[Term(row.head, blobs.path(row.head), each) for row, each in pairs] if both else [],
    )


def combine(database: Database, blobs: Blobs, combination: Combination, round: str | None, message: str) -> Result:
    """Enter the average of versions, or return it if it is known.

    Raises:
        Refusal: as `gather`, and for buffers that differ, or coefficients that sum to nothing.
        Unreachable: when there is no room for the result.
    """
    if combination.revision != COMBINATION_REVISION:
        raise Refusal(
            f"combination revision {combination.revision} is asked for; this registry has {COMBINATION_REVISION}"
        )
    work_id = combination.work_id
    with database.read() as connection:
        known = answer(connection, work_id)
    if known is None:
        # one at a time for each question; whoever comes second finds it answered
        with blobs.receive(work_id, patience=PATIENCE_SECONDS) as question:
            try:
                with database.read() as connection:
                    known = answer(connection, work_id)
                if known is None:
                    return _make(database, blobs, combination, round, message)
            finally:
                question.discard()
    if round is not None and known.version is not None:
        _mark(database, round, known.version)
    return known


def _make(database: Database, blobs: Blobs, combination: Combination, round: str | None, message: str) -> Result:
    begun = time.monotonic()
    with database.read() as connection:
        ingredients = gather(connection, blobs, combination)
    with Kitchen(database, blobs, combination.work_id) as kitchen:
        digests = {part: kitchen.cook(ingredients, part) for part in ingredients.parts}
        version = Version(
            featurizer=digests["featurizer"],
            head=digests.get("head"),
            architecture=ingredients.architecture.digest,
            task=ingredients.task,
            parents=combination.parents,
            rule=Rule(name="combine", revision=combination.revision, purpose=combination.purpose),
            receipt=None,
        )
        with database.write() as connection:
            kitchen.serve(connection)
            enter_version(connection, version, combination.work_id, message, time.monotonic() - begun, round)
            result = answer(connection, combination.work_id)
    assert result is not None
    return result


class Kitchen:
    """The temporary files of one combination; leaving the context removes those that were not served."""

    def __init__(self, database: Database, blobs: Blobs, work_id: str) -> None:
        self._database = database
        self._blobs = blobs
        self._work_id = work_id
        self._cooked: list[tuple[Part, str, int, Receiving]] = []
        self._promised: list[str] = []

    def __enter__(self) -> Kitchen:
        return self

    def __exit__(self, *exception: object) -> None:
        for _, _, _, receiving in self._cooked:
            receiving.discard()
            receiving.close()
        if self._promised:
            with self._database.write() as connection:
                connection.execute(delete(UploadRow).where(UploadRow.digest.in_(self._promised)))

    def cook(self, ingredients: Ingredients, part: Part) -> str:
        """Compute one part into a temporary file; returns the digest. A mean of equal files is that file."""
        same = sole(ingredients.terms(part))
        if same is not None:
            return same.digest
        name, length = sha256(f"{self._work_id}/{part}".encode()), ingredients.size(part)
        with self._database.write() as connection:
            reserve(connection, self._blobs, {name: length})
        self._promised.append(name)
        receiving = self._blobs.receive(name)
        try:
            digest = receiving.fill(lambda output: ingredients.write(part, output))
        except BaseException:
            receiving.discard()
            receiving.close()
            raise
        self._cooked.append((part, digest, length, receiving))
        return digest

    def serve(self, connection: Connection) -> None:
        """Make the files visible; one that is here already is not needed twice."""
        for part, digest, length, receiving in self._cooked:
            if not is_blob(connection, self._blobs, digest):
                self._blobs.place(receiving, digest)
                enter_blob(connection, digest, part, length)


def _mark(database: Database, round: str, version: str) -> None:
    """Let the round's log name a version that was known before."""
    with database.write() as connection:
        named = select(EventRow.number).where(EventRow.round == round, EventRow.subject == version)
        if connection.execute(named.limit(1)).first() is None:
            note(connection, round, "version", version, "known before this round")
