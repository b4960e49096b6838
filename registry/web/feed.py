"""The feed of running rounds, kept from one reading to the next, so that each reads only new events."""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field

from registry.records import Event
from registry.services.registry import Registry

LINES = 40
ROUNDS = 64
"""Rounds that are remembered; the longest unused one leaves first."""
PAGE = 1000
MOST_PAGES = 100
"""Pages of the log that one look reads; the next look goes on."""
ANSWERS = ("version", "evaluation")
"""Events that answer a question of the round."""


@dataclass
class Told:
    """What the log says of a round."""

    last: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    lines: deque[Event] = field(default_factory=lambda: deque(maxlen=LINES))
    """The latest events, oldest first."""
    answered: int = 0
    expected: int | None = None
    """Questions that the round will ask, as its plan foresaw; None before it said so."""

    @property
    def done(self) -> int:
        """Questions that are answered, of those expected."""
        return self.answered if self.expected is None else min(self.answered, self.expected)

    def hear(self, event: Event) -> None:
        """One more line."""
        self.last = event.number
        self.counts[event.kind] += 1
        self.lines.append(event)
        if event.kind in ANSWERS:
            self.answered += 1
        elif event.kind == "plan" and (found := re.fullmatch(r"(\d{1,9})/(\d{1,9})", event.subject)):
            self.answered, self.expected = int(found[1]), int(found[2])


class Feed:
    """The log of rounds, read on from where it was left."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._told: OrderedDict[str, Told] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, round: str) -> Told:
        """What is known of a round now."""
        with self._lock:
            told = self._told.setdefault(round, Told())
            self._told.move_to_end(round)
            while len(self._told) > ROUNDS:
                self._told.popitem(last=False)
            for _ in range(MOST_PAGES):
                events = self._registry.rounds.events(told.last, round, PAGE)
                for event in events:
                    told.hear(event)
                if len(events) < PAGE:
                    break
            return told
