"""The steps that the entries of the recipe table take on a walk through a round; `walk` has them.

Each returns None for what is not known yet. The entries know these steps only, and the walk knows the entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.version import Parent
from ratatouille.recipes.outcome import Candidate, Fact
from ratatouille.recipes.round import Auxiliary, Given, Round, Start


class Steps(Protocol):
    """A walk, as far as starts and combinations see it."""

    round: Round

    def start(self, one: Auxiliary | Given, number: int) -> Start | None:
        """Where target run `number` begins if its turn is a member of the pool."""

    def combine(self, parents: Sequence[Parent], purpose: str, **values: Any) -> tuple[str, Fact | None]:
        """The combination of versions, and its work id; `values` are its other fields."""

    def candidate(self, work_id: str, fact: Fact | None, label: str, trial: int | None) -> Candidate | None:
        """A version of the target with its counts."""

    def validate_mean(self, members: Sequence[Candidate]) -> tuple[Evaluation, ...] | None:
        """Counts of the uniform mean of members on all validation splits."""

    def ensemble(self, members: Sequence[Candidate]) -> Candidate | None:
        """The mean of the members' outputs, with its counts."""
