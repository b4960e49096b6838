"""Admission in one round: what its registry knows of reviews, the gate's verdicts that it is told, and who made what.

The plan has the verdicts (`ratatouille.recipes.gate`). Here they are signed and entered, each once, and maintainers'
decisions are read. A decision stands from then on; a round that is over stays as it ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from functools import partial

from ratatouille.errors import Refusal
from ratatouille.exchange.change import Review
from ratatouille.exchange.inspection import Inspected
from ratatouille.exchange.order import Order
from ratatouille.exchange.signing import Signer
from ratatouille.recipes.admission import Known, Verdict
from ratatouille.recipes.questions import RoundPlan
from registry.lists import every
from registry.records import ReviewChange, ReviewRecord
from registry.services.registry import Registry

GATE = "gate"
"""How the signer of a verdict is called in the history."""


class Admission:
    """What is known of admission in a round, beside the answers to its questions."""

    def __init__(self, registry: Registry, round_id: str, signer: Signer | None, until: float = math.inf) -> None:
        """Without a signer no verdict is entered. Decisions that came after `until` do not count."""
        self._registry = registry
        self._round = round_id
        self._signer = signer
        self._until = until
        self._standing: dict[str, ReviewRecord] = {}
        self._inspected: dict[str, Inspected] = {}
        self._decisions: dict[str, Verdict] = {}
        self._entered: dict[str, tuple[str, str]] = {}
        self.version = 0
        """Grows with what is known."""

    @property
    def known(self) -> Known:
        """For the plan."""
        return Known(self._inspected, self._decisions)

    def learn(self, answers: Mapping[str, Inspected]) -> None:
        """Take answers to inspections."""
        if answers:
            self._inspected |= answers
            self.version += 1

    def look(self, found: RoundPlan) -> bool:
        """Read answers that the registry has to open inspections, and decisions about runs; True for news."""
        before = self.version
        known = {work_id: self._registry.review.inspected(work_id) for work_id in found.inspections}
        self.learn({work_id: answer for work_id, answer in known.items() if answer is not None})
        if found.reviewed:
            pages = partial(self._registry.review.standing, sorted(found.reviewed))
            rows = every(lambda last: pages(last.version if last else ""))
            self._standing = {row.version: row for row in rows}
            decisions = {
                version: _verdict(one) for version, row in self._standing.items() if (one := self._decided(row))
            }
            self.version += decisions != self._decisions
            self._decisions = decisions
        return self.version > before

    def _decided(self, row: ReviewRecord) -> ReviewChange | None:
        """The maintainer's decision about a version that counts here."""
        if row.by == "maintainer" and row.at > self._until:
            history = self._registry.review.find_review(row.version).history
            return next((one for one in history if one.by == "maintainer" and one.at <= self._until), None)
        return row if row.by == "maintainer" else None

    def enter(self, found: RoundPlan) -> None:
        """Sign and enter the gate's verdicts that are new.

        Raises:
            Refusal: when a version was retracted a moment ago.
        """
        if self._signer is None:
            return
        for version, verdict in found.verdicts.items():
            said, row = (verdict.state, verdict.reason), self._standing.get(version)
            known = row is not None and row.by == GATE and (row.state, row.reason, row.round) == (*said, self._round)
            if verdict.by == GATE and not known and self._entered.get(version) != said:
                review = Review(
                    author=GATE,
                    at=time.time(),
                    version=version,
                    state=verdict.state,
                    reason=verdict.reason,
                    evidence=dict(verdict.evidence),
                    by="gate",
                    round=self._round,
                )
                self._registry.review.enter(self._signer.seal(review))
                self._entered[version] = said


def _verdict(change: ReviewChange) -> Verdict:
    return Verdict(change.state, change.reason, dict(change.evidence), "maintainer")


class Makers:
    """Which nodes here belong to the member that made a version: they do not count it where others can."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._members: dict[str, str] = {}
        """By a node's key; a key of nobody known stands for itself."""

    def member(self, node: str) -> str:
        """The member of a node."""
        if node not in self._members:
            try:
                self._members[node] = self._registry.members.find_member(node).id
            except Refusal:
                self._members[node] = node
        return self._members[node]

    def of(
        self, orders: Mapping[str, Order], authors: Mapping[str, str], nodes: Iterable[str]
    ) -> dict[str, frozenset[str]]:
        """By work id of each open review: those of these nodes whose member made the version that it is about."""
        here = sorted(nodes)
        found = {}
        for work_id, order in orders.items():
            if order.about in authors:
                maker = self.member(authors[str(order.about)])
                found[work_id] = frozenset(node for node in here if self.member(node) == maker)
        return found
