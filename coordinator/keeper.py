"""Keeps rounds alive: whatever the registry says should run has a Flower run, one round at a time.

A request is a row in the registry, so nobody needs to reach Flower's control API but this process. After a crash of
anything, the next look finds the same rows and starts again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from coordinator.control import Control
from registry.pages import every
from registry.port import Registry
from registry.records import ALIVE, RoundRecord

_log = logging.getLogger(__name__)
_MOST_STARTS = 5
_STEADY = 300.0
"""Seconds after which a run has lived: what ended it says nothing against starting another."""


class Keeper:
    """Watches the rounds of one registry; call `look` every second or so."""

    def __init__(
        self, registry: Registry, control: Control, address: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`address` is where ServerApps find the registry."""
        self._registry = registry
        self._control = control
        self._address = address
        self._clock = clock
        self._round: str | None = None
        self._run: int | None = None
        self._starts = 0
        self._started = self._not_before = 0.0

    def look(self) -> None:
        """Start, restart or give up the Flower run of the oldest round that should run.

        Raises:
            Unreachable: when registry or SuperLink does not answer.
            Refusal: when Flower does not take the run; that counts as a start.
        """
        pages = every(lambda last: self._registry.rounds(ALIVE, last.id if last else None))
        rounds = {round.id: round for round in pages}
        if self._round not in rounds:
            self._round = self._run = None
        lives = self._lives()
        for round in rounds.values():
            # One that runs ends itself.
            if round.state == "cancelling" and not (lives and round.id == self._round):
                self._registry.move_round(round.id, ["cancelling"], "cancelled", "cancelled by a maintainer")
        wanted = [round for round in rounds.values() if round.state != "cancelling"]
        if lives or not wanted:
            return
        following = min(wanted, key=lambda one: (one.id != self._round, one.state == "requested", one.created))
        if following.id != self._round:
            self._round, self._starts, self._not_before = following.id, 0, 0.0
        if self._clock() >= self._not_before:
            self._start(following)

    def _lives(self) -> bool:
        """Whether the run that was started last is on its way or at work."""
        if self._run is None:
            return False
        if self._control.status(self._run) not in ("pending", "running"):
            self._run = None
            return False
        if self._clock() - self._started >= _STEADY:
            self._starts = 0
        return True

    def _start(self, round: RoundRecord) -> None:
        if self._starts >= _MOST_STARTS:
            reason = "its server process ended again and again; its log in the coordinator's folder says why"
            self._registry.move_round(round.id, ["requested", "running"], "failed", reason)
            return
        self._starts += 1
        self._started = self._clock()
        self._not_before = self._started + min(2.0**self._starts, 30.0)
        self._run = self._control.submit(round.id, self._address)
        _log.info("round %s (%s) has Flower run %s", round.name, round.id, self._run)
