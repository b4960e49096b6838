"""Failures of nodes in one round: which node gets no order of which work, and for how long.

A failure that a node cannot mend by trying again takes it out of that question. One that is the node's own fault parks
the node, or one holding of it: it gets no work until it says that it is mended, comes back, or the time is over. One
that may pass is tried again after a pause, three times. Nothing here ends a round; `rounds` does when nobody is left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ratatouille.exchange.membership import Offer, Parked
from ratatouille.failure import Failure

ATTEMPTS = 3
"""How often a node is asked a question whose failures may pass."""
PARKED_SECONDS = 600.0
"""How long this round parks a node whose own offer does not say that it is parked."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


@dataclass
class _Place:
    """A node, or one holding of it, that gets no work."""

    failure: Failure
    until: float
    confirmed: bool = False
    """Whether the node's own offer has said that it is parked; when it says so no more, the place is free."""


class Failures:
    """The failures of one round, by node and question; times are of a clock that never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.counts: Counter[tuple[str, str]] = Counter()
        """How often a node (first) failed at a question (second)."""
        self.barred: set[tuple[str, str]] = set()
        """Nodes that are not asked a question again."""
        self.last: dict[tuple[str, str], Failure] = {}
        self._parked: dict[tuple[str, str | None], _Place] = {}
        """By node and fingerprint; None for the whole node."""
        self._pauses: dict[str, tuple[int, float]] = {}
        """How many passing failures in a row a node had, and until when it gets no work because of them."""
        self._flower: dict[str, int] = {}
        """The Flower node that each node was when it failed."""

    def note(self, node: str, flower: int, work_id: str, fingerprint: str, failure: Failure) -> None:
        """A node failed at a question about a holding."""
        now = self._clock()
        self.counts[node, work_id] += 1
        self.last[node, work_id] = failure
        self._flower[node] = flower
        if failure.fault == "passing":
            row = self._pauses.get(node, (0, 0.0))[0] + 1
            self._pauses[node] = (row, now + min(_FIRST_PAUSE * 2.0 ** (row - 1), _LONGEST_PAUSE))
            if self.counts[node, work_id] >= ATTEMPTS:
                self.barred.add((node, work_id))
        elif failure.fault == "question":
            self.barred.add((node, work_id))
        else:
            place = (node, fingerprint if failure.fault == "data" else None)
            self._parked[place] = _Place(failure, now + PARKED_SECONDS)

    def succeeded(self, node: str) -> None:
        """A node did some work: what kept it from working has passed."""
        self._pauses.pop(node, None)

    def look(self, offers: Iterable[Offer], nodes: Mapping[str, int]) -> None:
        """Forget what is over: nodes that came back under another Flower id, and places that are free again."""
        for node in [node for node, flower in self._flower.items() if nodes.get(node, flower) != flower]:
            self._forget(node)
        announced = {(offer.node, one.fingerprint) for offer in offers for one in offer.parked}
        here = {offer.node for offer in offers}
        for place, parked in list(self._parked.items()):
            parked.confirmed = parked.confirmed or place in announced
            free = parked.confirmed and place[0] in here and place not in announced
            if free or (place not in announced and self._clock() >= parked.until):
                del self._parked[place]

    def left(self, offers: Iterable[Offer]) -> list[Offer]:
        """The offers without the holdings that are parked. A pause that passes by itself takes nothing away."""
        return [
            self._without(offer, [one for one in offer.parked if one.failure.fault != "passing"]) for offer in offers
        ]

    def ready(self, offers: Iterable[Offer]) -> list[Offer]:
        """The offers of the nodes that may be given work now: none that has a pause, and no holding that is parked."""
        now = self._clock()
        awake = [offer for offer in offers if self._pauses.get(offer.node, (0, 0.0))[1] <= now]
        return [self._without(offer, offer.parked) for offer in awake]

    def reasons(self, offers: Iterable[Offer], work_id: str, fingerprint: str) -> dict[str, Failure]:
        """Why each node that offers the data of a question does not answer it, by node."""
        found = {}
        for offer in offers:
            announced = [one.failure for one in offer.parked if one.fingerprint in (None, fingerprint)]
            own = [self._parked[place].failure for place in self._places(offer.node, fingerprint)]
            holds = any(holding.fingerprint == fingerprint for holding in offer.holdings)
            if holds and (known := [*self._last_failure(offer.node, work_id), *own, *announced]):
                found[offer.node] = known[0]
        return found

    def _last_failure(self, node: str, work_id: str) -> list[Failure]:
        return [self.last[node, work_id]] if (node, work_id) in self.last else []

    def _places(self, node: str, fingerprint: str) -> list[tuple[str, str | None]]:
        return [place for place in ((node, fingerprint), (node, None)) if place in self._parked]

    def _without(self, offer: Offer, announced: Iterable[Parked]) -> Offer:
        own = {fingerprint for node, fingerprint in self._parked if node == offer.node}
        parked = own | {one.fingerprint for one in announced}
        if not parked:
            return offer
        held = () if None in parked else tuple(one for one in offer.holdings if one.fingerprint not in parked)
        return offer.model_copy(update={"holdings": held})

    def _forget(self, node: str) -> None:
        del self._flower[node]
        self._pauses.pop(node, None)
        self.barred = {one for one in self.barred if one[0] != node}
        self.counts = Counter({one: count for one, count in self.counts.items() if one[0] != node})
        self.last = {one: failure for one, failure in self.last.items() if one[0] != node}
        self._parked = {place: parked for place, parked in self._parked.items() if place[0] != node}
