"""Combined versions, which the registry makes where the bytes are, and can make again to the bit."""

from __future__ import annotations

import time

from sqlalchemy import select

from ratatouille.errors import Refusal
from ratatouille.exchange.dialect import COMBINATION_REVISION
from ratatouille.exchange.version import Combination, Version
from registry.averages.ingredients import gather
from registry.averages.kitchen import Kitchen
from registry.blobs.access import Blobs
from registry.contributions.ledger import check_parents, enter_version
from registry.database import Database
from registry.ledger.answers import answer
from registry.ledger.claims import Removed
from registry.ledger.event_log import note
from registry.records import Result
from registry.schema import EventRow

PATIENCE_SECONDS = 4 * 3600.0
"""How long a second asker waits for the first."""


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
        ingredients = gather(connection, combination)
    with Kitchen(database, blobs, combination.work_id) as kitchen:
        kitchen.claim(ingredients)
        digests = {part: kitchen.cook(ingredients, part) for part in ingredients.parts}
        kitchen.store()
        version = Version(
            featurizer=digests["featurizer"],
            head=digests.get("head"),
            architecture=ingredients.architecture.digest,
            task=ingredients.task,
            parents=combination.parents,
            rule=combination.rule,
            receipt=None,
        )
        with database.write() as connection:
            check_parents(connection, version)
            kitchen.serve(connection)
            enter_version(connection, version, combination.work_id, message, time.monotonic() - begun, round)
            result = answer(connection, combination.work_id)
    assert result is not None
    return result


def _mark(database: Database, round: str, version: str) -> None:
    """Let the round's log name a version that was known before."""
    with database.write() as connection:
        named = select(EventRow.number).where(EventRow.round == round, EventRow.subject == version)
        if connection.execute(named.limit(1)).first() is None:
            note(connection, round, "version", version, "known before this round")
