"""A round: one resolved execution of recipes for one target task, bound to data fingerprints and never to nodes.

It is a record, so its digest is its id: the same settings on the same data are the same round, and running it again
finds its answers. `coordinator.settings` makes one from a round.toml, the registry and the standing offers.

Gaps in the data are found before any work. The split may leave a side of a small domain empty; a training on it would
be refused after others have worked, so the plan leaves such a domain of such a holding out. A class of which no holding
has an image to train on can still be counted, where it only loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from ratatouille.recipes.protocol import Protocol
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.holding import Holding, Lack
from ratatouille.tasks.task import ClassName, Task

NAMED = 20
"""Classes that are named; of others there is the number."""


class LeftOut(Record):
    """A domain of a holding that no run of the round trains on."""

    task: Name
    domain: Name
    fingerprint: Digest
    lack: Lack

    @property
    def sentence(self) -> str:
        """What is left out, and why."""
        why = {
            "training": "it has no image to train on",
            "validation": "it has no image to validate on",
            "trial": "a reshuffle of the split leaves a side of it without images",
        }[self.lack]
        where = f"domain {self.domain} of task {self.task} in the holding {self.fingerprint[:12]}…"
        return f"{where} is left out of training, since {why}"


class Untaught(Record):
    """Classes of a task of which no holding of the round has an image to train on."""

    task: Name
    number: PositiveInt
    classes: Annotated[tuple[ClassName, ...], Field(min_length=1, max_length=NAMED)]
    """The first of them."""

    @property
    def sentence(self) -> str:
        """Which classes, and what that means."""
        more = f" and {self.number - len(self.classes)} more" if self.number > len(self.classes) else ""
        names = ", ".join(f"'{name}'" for name in self.classes)
        which, them = ("class", "it") if self.number == 1 else ("classes", "them")
        return (
            f"no node that is here has an image to train {which} {names}{more} of task {self.task} on, so no run can "
            f"learn {them}"
        )


def untaught(task: Task, used: Sequence[tuple[Holding, Sequence[str]]], last_trial: int = 0) -> Untaught | None:
    """The classes of a task that no run can learn; None where there is none.

    Args:
        task: whose classes.
        used: the holdings that are trained on, each with the domains that are.
        last_trial: 0 says it exactly. Of reshuffles a holding does not tell its counts, so only classes without any
            image are named.
    """
    images = [0] * len(task.classes)
    for holding, domains in used:
        for domain in domains:
            for side, row in holding.counts.get(domain, {}).items():
                if side == "train" or last_trial:
                    images = [known + more for known, more in zip(images, row, strict=True)]
    missing = [name for name, count in zip(task.classes, images, strict=True) if not count]
    if not missing:
        return None
    return Untaught(task=task.name, number=len(missing), classes=tuple(missing[:NAMED]))


class HoldingShare(Record):
    """One holding that a round uses: which data, and which of its domains."""

    fingerprint: Digest
    domains: Annotated[tuple[Name, ...], Field(min_length=1)]


class Auxiliary(Record):
    """An auxiliary task of a round and the holdings that it is trained on."""

    name: Name
    task: Digest
    shares: Annotated[tuple[HoldingShare, ...], Field(min_length=1)]
    """One holding of all its domains (or replicas of it), or several where they are spread, each with its own runs."""


class Start(Record):
    """Weights that runs start from: a version's id and the digest of its featurizer."""

    version: Digest
    featurizer: Digest


class Given(Record):
    """A start that the registry has already: a version that was fine-tuned on an auxiliary task before."""

    name: Name
    start: Start


class Round(Record):
    """Everything that determines what a round computes."""

    name: Name
    target: Name
    task: Digest
    metric: Literal["accuracy", "balanced_accuracy"]
    architecture: Digest
    foundation: Start
    held_out: tuple[Name, ...]
    training: Annotated[tuple[HoldingShare, ...], Field(min_length=1)]
    """Holdings of the target's training domains: one (or replicas of one), or several when domains are spread."""
    evaluation: tuple[HoldingShare, ...]
    """Holdings of the held-out domains."""
    auxiliaries: tuple[Auxiliary, ...]
    starts: Annotated[tuple[Given, ...], Field(exclude_if=lambda starts: not starts)] = ()
    """Beside the auxiliary tasks that the round trains. Left out of the record where there are none, so that rounds
    that were entered before there could be any keep their ids.
    """
    recipes: Annotated[tuple[Name, ...], Field(min_length=1)]
    protocol: Protocol
    trial: NonNegativeInt = 0
    pool_trials: Annotated[int, Field(ge=1, le=100)] = 1
    """Trials, from `trial` on, whose runs are averaged together by recipes that average uniformly (the paper's †)."""
    repeat: NonNegativeInt = 0
    analyses: tuple[Name, ...] = ()
    """Questions about the runs, beyond what the recipes need: rows of `studies.STUDIES`."""
    slices: tuple[Literal["seen", "new"], ...] = ()
    """Slices of the held-out domains besides all images; they mean something where groups occur in several domains."""
    revision: Annotated[PositiveInt, Field(exclude_if=lambda revision: revision == 1)] = 1
    """Of the method, for all its questions. Left out of the record at 1, so that rounds of that revision keep their ids
    and still find their answers.
    """
    left_out: Annotated[tuple[LeftOut, ...], Field(exclude_if=lambda some: not some)] = ()
    """Domains of holdings that would be trained on, were they not too small."""
    untaught: Annotated[tuple[Untaught, ...], Field(exclude_if=lambda some: not some)] = ()
    """Classes that no run can learn, of the target and of auxiliary tasks."""
    admission: Annotated[Literal["gate", "off"], Field(exclude_if=lambda admission: admission == "off")] = "off"
    """Whether runs are admitted by a gate before anything is averaged. Left out of the record where there is none, so
    that rounds that were entered before there was a gate keep their ids.
    """
    counting: Annotated[Literal["independent", "own"], Field(exclude_if=lambda counting: counting == "own")] = "own"
    """Whose counts choose between runs: nodes' that did not make them, or the runs' own receipts."""
    min_runs: PositiveInt | None = None
    """When the deadline passes, combine if at least so many runs are there; None: all must be."""
    deadline: PositiveFloat | None = None
    """Seconds after its start at which the round stops to wait for runs."""

    @property
    def id(self) -> str:
        """The round's id: the first 16 digits of its digest."""
        return self.digest[:16]

    @property
    def pool(self) -> tuple[Auxiliary | Given, ...]:
        """What runs may start from besides the foundation, in ascending order of names (docs/method.md §3.8): auxiliary
        tasks that the round trains, and starts that are there.
        """
        return tuple(sorted((*self.auxiliaries, *self.starts), key=lambda one: one.name))

    @property
    def gaps(self) -> tuple[str, ...]:
        """What the data lacks, in sentences."""
        return (*(one.sentence for one in self.left_out), *(one.sentence for one in self.untaught))

    @property
    def training_domains(self) -> tuple[str, ...]:
        """All training domains, each once, in sorted order."""
        return tuple(sorted({domain for share in self.training for domain in share.domains}))
