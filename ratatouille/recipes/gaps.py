"""Gaps in a round's data, found before any work: domains that are too small, classes that nobody can learn.

A split may leave a side of a small domain empty. Nobody can train there, and a training that is refused after others
have worked would end the round for all: so the plan leaves such a domain of such a holding out. A class of which no
holding that is used has an image to train on can still be in the counts, where it only loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, PositiveInt

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
    """The classes of a task that nobody can learn; None where there is none.

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
