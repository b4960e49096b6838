"""Holdings: what a node publishes of its data for one task (domains, counts, fingerprint; no file name, no image).

The fingerprint binds work to data. Nodes that hold the same images, labels and splits have the same fingerprint
(replicas), wherever the files lie; any change to one of them gives another. It is keyed: with a secret that only the
replicas share, no other reader can test by the fingerprint whether a known set of images is held. docs/data.md says
what the counts of networks reveal. `inspection` reads the files.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ratatouille.record import Digest, Name, Record, canonical_json
from ratatouille.tasks.task import SPLITS, Split, Task, split_of

TRIALS = 100
"""Trials, from 0 on, in which a node looks whether each of its domains can be trained on."""
Images = Annotated[int, Field(ge=0, le=2**40)]
"""A number of images; bounded, since a plan sums and divides the numbers that others publish."""
FewTrials = Annotated[int, Field(ge=1, lt=TRIALS)]
Lack = Literal["training", "validation", "trial"]
"""Why a domain is too small to be trained on: no training image, no validation image, or one of the two in a reshuffle
of the split.
"""


class ImageLine(NamedTuple):
    """One example, as the fingerprint has it; `split` is empty unless the manifest states it."""

    domain: str
    label: str
    group: str
    split: str
    sha256: str


class Holding(Record):
    """One node's data for a task.

    `counts` maps a domain to its splits (trial 0) and those to the number of images of each class, in the task's order.
    """

    task: Digest
    task_name: Name
    counts: dict[Name, dict[Split, tuple[Images, ...]]]
    fingerprint: Digest
    trials: dict[Name, FewTrials] = Field(default_factory=dict, exclude_if=lambda trials: not trials)
    """Of a domain with few groups: in how many trials, from 0 on, it has an image to train on and one to validate on.
    A domain that has both in all of the first `TRIALS`, or not even in trial 0, is not named. One number says as little
    as possible: the counts of each trial would tell which groups they are, if a reader can guess the groups' names.
    """

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if len({len(row) for splits in self.counts.values() for row in splits.values()}) > 1:
            raise PydanticCustomError("counts", "every split must count the same classes")
        return self

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that are held, in alphabetical order."""
        return tuple(sorted(self.counts))

    def total(self, domain: str | None = None, split: Split | None = None) -> int:
        """The number of images, of one domain or all, of one split or all."""
        return sum(
            sum(row)
            for name, splits in self.counts.items()
            for side, row in splits.items()
            if domain in (None, name) and split in (None, side)
        )

    def lack(self, domain: str, last_trial: int = 0) -> Lack | None:
        """Why no node can train on a domain in all trials from 0 to `last_trial`; None where it can be done.

        A reshuffle may leave a side of a small domain empty. The earlier trials count too, so that all trials of a
        benchmark train on the same domains.
        """
        if not self.total(domain, "train"):
            return "training"
        if not self.total(domain, "validation"):
            return "validation"
        return "trial" if last_trial >= self.trials.get(domain, last_trial + 1) else None

    def most(self, domain: str, split: Split | Literal["all"], trial: int = 0) -> int:
        """The largest number of images that a count of this domain can be about, whatever the slice.

        It is exact for trial 0 and for all images of a domain. Of another trial only the domain's total is known.
        """
        return self.total(domain, None if split == "all" or trial else split)


def fingerprint(lines: Iterable[ImageLine], key: bytes) -> str:
    """HMAC-SHA256 of the sorted lines, each as canonical JSON; the order in which they are found cannot matter."""
    body = b"\n".join(sorted(canonical_json(list(line)) for line in lines))
    return hmac.new(key, b"ratatouille holding 1\n" + body, hashlib.sha256).hexdigest()


def possession_seed(lines: Iterable[ImageLine], key: bytes) -> bytes:
    """32 bytes that only a node with the same lines and the same key can compute: the seed of the holding's own key.

    A node signs its offer with that key too. So a fingerprint alone, without the data, is not enough for an offer.
    """
    body = b"\n".join(sorted(canonical_json(list(line)) for line in lines))
    return hmac.new(key, b"ratatouille possession 1\n" + body, hashlib.sha256).digest()


def fingerprint_key(task: Task, secret: bytes | None) -> bytes:
    """What a task's fingerprints are keyed with: the secret of the replicas, or else the task's digest."""
    return secret or task.digest.encode()


def holding_of(task: Task, lines: Iterable[ImageLine], secret: bytes | None = None) -> Holding:
    """The holding of some examples; the key is the secret, or else the task's digest."""
    kept = list(lines)
    place = {name: index for index, name in enumerate(task.classes)}
    counts: dict[str, dict[Split, list[int]]] = {}
    groups: dict[str, dict[str, Split | None]] = {}
    for line in kept:
        stated = next((split for split in SPLITS if split == line.split), None)
        side = stated or split_of(task.name, line.group, task.split)
        rows = counts.setdefault(line.domain, {split: [0] * len(task.classes) for split in SPLITS})
        rows[side][place[line.label]] += 1
        groups.setdefault(line.domain, {})[line.group] = stated
    reached = {name: _trials(task, some) for name, some in groups.items()}
    return Holding(
        task=task.digest,
        task_name=task.name,
        counts={name: {side: tuple(row) for side, row in splits.items()} for name, splits in counts.items()},
        fingerprint=fingerprint(kept, fingerprint_key(task, secret)),
        trials={name: trials for name, trials in reached.items() if 0 < trials < TRIALS},
    )


def _trials(task: Task, groups: Mapping[str, Split | None]) -> int:
    """In how many trials, from 0 on and at most `TRIALS`, some of the groups train and some validate.

    Args:
        task: whose name and rule decide.
        groups: each with the split that a manifest states, or None.
    """
    needed: set[Split] = {"train", "validation"}
    for trial in range(TRIALS):
        missing = set(needed)
        for group, stated in groups.items():
            missing.discard(stated or split_of(task.name, group, task.split, trial))
            if not missing:  # after a few groups, unless the domain is small
                break
        else:
            return trial
    return TRIALS
