"""The counting budget: how many networks a node has counted on each holding, kept by the node itself.

A count tells a little about single images to the person who chose the network: a network that is right on one image
only tells whether that image is held. So a node counts a limited number of networks in a week on each holding, for all
rounds together. The file names holdings by fingerprint and work by its id; it holds no name and no path.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, NodeAssignment
from ratatouille.record import Digest, Record
from ratatouille.tasks.stored import write_whole

WEEK = 7 * 24 * 3600.0
"""Seconds that a count weighs on the budget."""


class Spent(Record):
    """One piece of work that was counted."""

    work_id: Digest
    networks: int
    at: float


class Ledger(Record):
    """What was counted in the last week, by holding."""

    holdings: dict[Digest, tuple[Spent, ...]] = Field(default_factory=dict)


class Budget:
    """The budget of all holdings of a node."""

    def __init__(self, path: Path, networks_per_week: int, clock: Callable[[], float] = time.time) -> None:
        """`path` is the file, which may not be there yet."""
        self._path = path
        self._most = networks_per_week
        self._clock = clock

    def take(self, assignment: NodeAssignment) -> bool:
        """Whether this may be counted; if so it is written down, on disk, before this returns.

        The same question is written down once, however often it is ordered within a week.
        """
        ledger, now, cost = self._read(), self._clock(), networks_of(assignment)
        recent = [one for one in ledger.holdings.get(assignment.fingerprint, ()) if now - one.at < WEEK]
        if any(one.work_id == assignment.digest for one in recent):
            return True
        if sum(one.networks for one in recent) + cost > self._most:
            return False
        spent = (*recent, Spent(work_id=assignment.digest, networks=cost, at=now))
        self._write(Ledger(holdings={**ledger.holdings, assignment.fingerprint: spent}))
        return True

    def left(self, fingerprint: str) -> int:
        """How many networks may still be counted on a holding now."""
        now = self._clock()
        return self._most - sum(
            one.networks for one in self._read().holdings.get(fingerprint, ()) if now - one.at < WEEK
        )

    def _read(self) -> Ledger:
        """The ledger. One that cannot be read is a reason to stop: forgetting it would open the budget anew.

        Raises:
            Refusal: for a file that is not a ledger.
        """
        try:
            return Ledger.from_json(self._path.read_bytes())
        except FileNotFoundError:
            return Ledger()
        except (OSError, Refusal) as error:
            raise Refusal(
                f"'{self._path}', which says how much was counted this week, cannot be read ({error}); nothing is "
                "counted until it is put back, or removed, which begins the week's budget anew",
                code="settings-unusable",
            ) from error

    def _write(self, ledger: Ledger) -> None:
        write_whole(self._path, [ledger.to_json()])


def networks_of(assignment: NodeAssignment) -> int:
    """How many networks the answer tells about: one for a training, a probe or an evaluation, all of a comparison."""
    return len(assignment.networks) + assignment.ensemble if isinstance(assignment, Compare) else 1
