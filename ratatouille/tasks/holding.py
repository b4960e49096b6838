"""What a node publishes about its data for one task: domains, counts and a fingerprint; never a name, never an image.

The fingerprint binds work to data. Nodes that hold the same images, labels and splits have the same fingerprint
(replicas), wherever the files lie; any change to one of them gives another. It is keyed: with a secret that only the
replicas share, nobody else can test whether a known set of images is held. Reading files is left to inspection.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import NamedTuple, Self

from pydantic import NonNegativeInt, model_validator
from pydantic_core import PydanticCustomError

from ratatouille.record import Digest, Name, Record, canonical_json
from ratatouille.tasks.split import SPLITS, Split, split_of
from ratatouille.tasks.task import Task


class Line(NamedTuple):
    """What the fingerprint knows of one example; `split` is empty unless the manifest states it."""

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
    counts: dict[Name, dict[Split, tuple[NonNegativeInt, ...]]]
    fingerprint: Digest

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


def fingerprint(lines: Iterable[Line], key: bytes) -> str:
    """HMAC-SHA256 of the sorted lines, each as canonical JSON; the order in which they are found cannot matter."""
    body = b"\n".join(sorted(canonical_json(list(line)) for line in lines))
    return hmac.new(key, b"ratatouille holding 1\n" + body, hashlib.sha256).hexdigest()


def holding_of(task: Task, lines: Iterable[Line], secret: bytes | None = None) -> Holding:
    """The holding of some examples; the key is the secret, or else the task's digest."""
    kept = list(lines)
    place = {name: index for index, name in enumerate(task.classes)}
    counts: dict[str, dict[Split, list[int]]] = {}
    for line in kept:
        stated = next((split for split in SPLITS if split == line.split), None)
        side = stated or split_of(task.name, line.group, task.split)
        rows = counts.setdefault(line.domain, {split: [0] * len(task.classes) for split in SPLITS})
        rows[side][place[line.label]] += 1
    return Holding(
        task=task.digest,
        task_name=task.name,
        counts={name: {side: tuple(row) for side, row in splits.items()} for name, splits in counts.items()},
        fingerprint=fingerprint(kept, secret or task.digest.encode()),
    )
