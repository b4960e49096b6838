"""One page of an audit: things of one stage, for about a second, and where the next page begins.

Each batch reads in a transaction of its own, so writers and `gc` go on; what comes meanwhile is looked at if its turn
is still to come.
"""

from __future__ import annotations

import time

from sqlalchemy.exc import DBAPIError

from ratatouille.errors import Misconfigured, Refusal
from registry.audit.look import Batch, finding
from registry.audit.stages import STAGES
from registry.records import AuditPage, AuditPlace, Stage
from registry.storage import Storage

PAGE_SECONDS = 1.0
"""After so long a page ends; one thing may take longer."""


def page(storage: Storage, place: AuditPlace | None, seconds: float = PAGE_SECONDS) -> AuditPage:
    """Look at the next things.

    Args:
        storage: the registry.
        place: where the last page said that this one begins; None begins at the beginning.
        seconds: about how long to look.

    Raises:
        Unreachable: when the database or the store does not answer.
    """
    stages = list(STAGES)
    place = place or AuditPlace(stage=stages[0])
    until, whole = time.monotonic() + seconds, Batch(place.after)
    while True:
        batch = _batch(storage, place.stage, whole.last)
        whole.findings += batch.findings
        if batch.looked == 0:
            following = stages[stages.index(place.stage) + 1 :]
            return _page(storage, place.stage, whole, AuditPlace(stage=following[0]) if following else None)
        whole.looked, whole.bytes, whole.last = whole.looked + batch.looked, whole.bytes + batch.bytes, batch.last
        if time.monotonic() > until:
            return _page(storage, place.stage, whole, AuditPlace(stage=place.stage, after=batch.last))


def _batch(storage: Storage, stage: Stage, after: str) -> Batch:
    try:
        return STAGES[stage].look(storage, after)
    except (Refusal, Misconfigured, DBAPIError) as error:  # a damaged file: what is left of the stage cannot be read
        return Batch(after, findings=[finding(stage, "the database", str(error).partition("\n")[0])])


def _page(storage: Storage, stage: Stage, whole: Batch, following: AuditPlace | None) -> AuditPage:
    try:
        with storage.database.read() as connection:
            total = STAGES[stage].count(connection)
    except (Refusal, Misconfigured, DBAPIError):
        total = whole.looked
    return AuditPage(
        stage=stage,
        findings=tuple(whole.findings),
        looked=whole.looked,
        bytes=whole.bytes,
        total=total,
        following=following,
    )
