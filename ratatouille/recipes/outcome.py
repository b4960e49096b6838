"""Facts (answers that a plan reads), candidates (versions with counts) and outcomes (where recipes stand)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol as Interface

from ratatouille.exchange.receipt import Comparison, Evaluation


class Fact(Interface):
    """The answer to a question, as far as a plan needs it."""

    @property
    def version(self) -> str | None: ...
    @property
    def featurizer(self) -> str | None: ...
    @property
    def head(self) -> str | None: ...
    @property
    def node(self) -> str | None: ...
    @property
    def evaluations(self) -> tuple[Evaluation, ...]: ...
    @property
    def comparison(self) -> Comparison | None: ...


@dataclass(frozen=True)
class Candidate:
    """What a recipe made or compares, and the counts known of it: a version of the target task, or an ensemble."""

    version: str | None
    featurizer: str | None
    head: str | None
    """None for an ensemble, which is no single set of weights."""
    label: str
    work_id: str
    trial: int
    validation: tuple[Evaluation, ...] | None
    """Counts on the validation splits of all training holdings; None while some are missing. Runs of several trials
    were trained on each other's validation images, so what is made of them has no counts here."""
    held_out: tuple[Evaluation, ...] | None
    untrained: bool = False
    """Whether a run kept step 0: its weights are those that it started from."""
    author: str | None = None
    """Key of the contributor who trained a run."""


@dataclass(frozen=True)
class Outcome:
    """Where a recipe stands: its final version once there is one, and the runs behind it."""

    recipe: str
    final: Candidate | None
    members: tuple[Candidate, ...]
    wanted: int
    """Number of runs that the recipe asks for."""

    @property
    def short(self) -> bool:
        """Whether runs are missing."""
        return len(self.members) < self.wanted

    @property
    def complete(self) -> bool:
        """Whether the final version exists and every count is there."""
        every = (*self.members, *([self.final] if self.final else []))
        return self.final is not None and all(c.validation is not None and c.held_out is not None for c in every)
