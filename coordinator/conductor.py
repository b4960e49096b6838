"""Advances one round against a registry, whoever does the work: the part that federation and rehearsal share.

It holds the facts of one round (a few hundred bytes a question), asks the registry for answers that are new, has
versions combined where their bytes are, and says what is open. Its memory does not grow with the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ratatouille.recipes.plan import plan
from ratatouille.recipes.round import Round
from ratatouille.recipes.walk import Plan
from registry.port import Registry
from registry.records import Result


class Conductor:
    """One round in progress."""

    def __init__(
        self, round: Round, registry: Registry, started: float, clock: Callable[[], float] = time.time
    ) -> None:
        """`started` is when the round was requested, in seconds since 1970; its deadline counts from there."""
        self.round = round
        self.facts: dict[str, Result] = {}
        self._registry = registry
        self._started = started
        self._clock = clock

    @property
    def closing(self) -> bool:
        """Whether the deadline has passed."""
        return self.round.deadline is not None and self._clock() > self._started + self.round.deadline

    def advance(self) -> Plan:
        """The plan as of now: known answers are in it, and what the registry can do itself is done."""
        while True:
            found = self.gather()
            if not found.combinations:
                return found
            for work_id, combination in found.combinations.items():
                message = f"{combination.purpose} of {len(combination.parents)} for round {self.round.name}"
                self.facts[work_id] = self._registry.combine(combination, self.round.id, message)

    def gather(self) -> Plan:
        """The plan as of now, from what the registry knows; nothing is changed."""
        while True:
            found = plan(self.round, self.facts, self.closing)
            news = self._registry.results([work_id for work_id in found.questions if work_id not in self.facts])
            if not news:
                return found
            self.facts.update(news)
