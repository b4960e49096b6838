"""Asking for a round: settings become a row in the registry, and whoever keeps rounds finds it there."""

from __future__ import annotations

import time

from coordinator.settings import RoundSettings, resolve
from ratatouille.recipes.round import Round
from registry.pages import every
from registry.port import Registry
from registry.records import RoundRecord


def request(settings: RoundSettings, registry: Registry, fresh: bool = False) -> Round:
    """Enter a round, or set a failed or cancelled one going again.

    Args:
        settings: what is wanted.
        registry: where it is entered.
        fresh: ask everything anew that earlier rounds of these settings have answered.

    Raises:
        Refusal: as `resolve` does.
    """
    round = resolve(settings, registry)
    if fresh:
        known = {record.id for record in every(lambda last: registry.rounds((), last.id if last else None))}
        while round.id in known:
            round = resolve(settings, registry, round.repeat + 1)
    now = time.time()
    spec = round.to_json().decode()
    registry.request_round(
        RoundRecord(id=round.id, name=round.name, spec=spec, state="requested", created=now, changed=now)
    )
    registry.move_round(round.id, ["failed", "cancelled"], "requested")
    return round
