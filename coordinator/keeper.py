"""Keeps rounds alive: whatever the registry says should run has a Flower run, one round at a time.

A request is a row in the registry, so nobody needs to reach Flower's control API but this process. After a crash of
anything, the next look finds the same rows and starts again.
"""

from __future__ import annotations

import logging
import time

from coordinator.control import Control
from registry.port import Registry
from registry.records import RoundRecord

_log = logging.getLogger(__name__)
_MOST_STARTS = 5


class Keeper:
    """Watches the rounds of one registry; call `look` every second or so."""

    def __init__(self, registry: Registry, control: Control, address: str) -> None:
        """`address` is where ServerApps find the registry."""
        self._registry = registry
        self._control = control
        self._address = address
        self._round: str | None = None
        self._run: int | None = None
        self._starts = 0
        self._not_before = 0.0

    def look(self) -> None:
        """Start, restart or give up the Flower run of the oldest round that should run."""
        wanted = [round for round in self._registry.rounds() if round.state in ("requested", "running", "cancelling")]
        if not wanted:
            self._round = self._run = None
            return
        current = min(wanted, key=lambda round: (round.state == "requested", round.created))
        if current.id != self._round:
            self._round, self._run, self._starts, self._not_before = current.id, None, 0, 0.0
        if self._run is not None and self._control.status(self._run) in ("pending", "running"):
            return
        if current.state == "cancelling":
            self._registry.move_round(current.id, ["cancelling"], "cancelled", "cancelled by a maintainer")
        elif time.monotonic() >= self._not_before:
            self._start(current)

    def _start(self, round: RoundRecord) -> None:
        if self._starts >= _MOST_STARTS:
            reason = "its server process ended again and again; its log in the coordinator's folder says why"
            self._registry.move_round(round.id, ["requested", "running"], "failed", reason)
            return
        self._starts += 1
        self._not_before = time.monotonic() + min(2.0**self._starts, 30.0)
        self._run = self._control.submit(round.id, self._address)
        _log.info("round %s (%s) has Flower run %s", round.name, round.id, self._run)
