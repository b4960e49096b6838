"""The scheduler of rounds: each round that should run gets a Flower run, one round at a time.

A request is a row in the registry, so only this process needs to reach Flower's control API. After a crash of
anything, the next look finds the same rows and starts again. A round that is killed often goes on as long as answers
come between: only starts that brought none are counted, and they follow each other ever more slowly. While no round
runs, evaluations that the registry owes get a run of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from coordinator.control import Control
from coordinator.evaluations import EVALUATIONS, Owed
from ratatouille.errors import Refusal
from registry.lists import every
from registry.records import ALIVE, RoundRecord
from registry.services.registry import Registry

_log = logging.getLogger(__name__)
_MOST_STARTS = 10
"""So many starts one after the other that brought no answer end a round as failed."""
_LONGEST_PAUSE = 60.0
_FIRST_PAUSE_OWED, _LONGEST_PAUSE_OWED = 10.0, 600.0
"""Seconds between two runs that work off the same evaluations, on the same nodes."""
_STEADY = 300.0
"""Seconds after which a run counts as steady: when it ends, the next one is started without a growing pause."""
_PENDING_SECONDS = 60.0
"""A run that has no ServerApp after this time gets none any more, and is started again."""
_ANSWERS = ("version", "evaluation")
"""Kinds of the events that are answers to questions of a round."""


class RoundScheduler:
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
        """Starts since the round's last answer, or since a run of it was steady."""
        self._started = self._not_before = 0.0
        self._last_event = 0
        """Number of the last event of the round that was looked at."""
        self._owed: object = None
        """The evaluations that were owed, and the nodes that were here, at the last run for them."""
        self._owed_starts = 0

    def look(self) -> None:
        """Start, restart or give up the Flower run of the oldest round that should run.

        Raises:
            Unreachable: when registry or SuperLink does not answer.
            Refusal: when Flower does not take the run; that counts as a start.
        """
        pages = every(lambda last: self._registry.rounds.rounds(ALIVE, last.id if last else None))
        rounds = {round.id: round for round in pages}
        if self._round not in rounds and self._round != EVALUATIONS:
            self._round = self._run = None
        alive = self._is_alive()
        for round in rounds.values():
            # One that runs ends itself.
            if round.state == "cancelling" and not (alive and round.id == self._round):
                self._registry.rounds.move_round(round.id, ["cancelling"], "cancelled", "cancelled by a maintainer")
        wanted = [round for round in rounds.values() if round.state != "cancelling"]
        if alive:
            return
        if not wanted:
            self._start_evaluations()
            return
        following = min(wanted, key=lambda one: (one.id != self._round, one.state == "requested", one.created))
        if following.id != self._round:
            self._round, self._starts, self._not_before, self._last_event = following.id, 0, 0.0, 0
        if self._starts and self._read_answers(following):
            self._starts = 0
            self._not_before = min(self._not_before, self._started + _pause(0))
        if self._clock() >= self._not_before:
            self._start(following)

    def _start_evaluations(self) -> None:
        """Start a run for the evaluations that are owed, if a node is here for them; again ever more slowly."""
        orders = Owed.now(self._registry).orders
        if not orders:
            return
        found = (frozenset(orders), frozenset(offer.node for offer in self._registry.work.offers()))
        if found != self._owed:
            self._owed, self._owed_starts, self._not_before = found, 0, 0.0
        if self._clock() < self._not_before:
            return
        self._round, self._started = EVALUATIONS, self._clock()
        self._not_before = self._started + min(_FIRST_PAUSE_OWED * 2.0**self._owed_starts, _LONGEST_PAUSE_OWED)
        self._owed_starts += 1
        self._run = self._control.submit(EVALUATIONS, self._address)
        _log.info("%d evaluations are owed and have Flower run %s", len(orders), self._run)

    def _is_alive(self) -> bool:
        """Whether the run that was started last is on its way or at work."""
        if self._run is None:
            return False
        status, age = self._control.status(self._run), self._clock() - self._started
        if status == "pending" and age >= _PENDING_SECONDS:
            _log.warning("Flower run %s has waited %.0f s for its ServerApp; it is started again", self._run, age)
            self._control.stop(self._run)
            status = "stopped"
        if status not in ("pending", "running"):
            self._run = None
            return False
        if status == "running" and age >= _STEADY:
            self._starts = 0
        return True

    def _read_answers(self, round: RoundRecord) -> bool:
        """Read the round's events since the last call; True when an answer is among them."""
        found = False
        while events := self._registry.rounds.events(self._last_event, round.id):
            found = found or any(event.kind in _ANSWERS for event in events)
            self._last_event = events[-1].number
        return found

    def _start(self, round: RoundRecord) -> None:
        if self._starts >= _MOST_STARTS:
            reason = "its server process ended again and again; its log in the coordinator's folder says why"
            self._registry.rounds.move_round(round.id, ["requested", "running"], "failed", reason)
            return
        if not self._starts:
            self._read_answers(round)  # what was known before this start is no progress of it
        self._started = self._clock()
        try:
            self._run = self._control.submit(round.id, self._address)
        except Refusal:  # an unreachable SuperLink is started again, and says nothing of the round
            self._count_start()
            raise
        self._count_start()
        _log.info("round %s (%s) has Flower run %s", round.name, round.id, self._run)

    def _count_start(self) -> None:
        self._not_before = self._started + _pause(self._starts)
        self._starts += 1


def _pause(starts: int) -> float:
    """Seconds between a start and the next one, after so many that brought nothing."""
    return min(2.0 ** (1 + starts), _LONGEST_PAUSE)
