"""A task: what is to be recognised, in which domains, how it is scored, and its split for life.

It is defined once, in the registry, from a `task.toml`; how a contributor's own labels and folders map to it is said by
that contributor's settings (settings.py). The record's digest names the task: another order of classes is another task.

The split says which images train, validate and test, on every node and in every round. A hash of (task name, trial,
group) decides, so the answer never depends on the other examples: data that is added, moved or held by another node
changes no split, and no later round validates on what its start was trained on. Everything of one group (a
patient, a camera, one emoji in several styles) falls on the same side. Where a manifest states a split itself, the
statement wins over the hash, in every trial.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ratatouille.record import Name, Record, canonical_json
from ratatouille.settings import read_settings

Split = Literal["train", "validation", "test"]
"""The side of the split on which an example lies."""

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class SplitRule(Record):
    """The fractions of a task's groups that train, validate and test, which add to one, and the rule of groups."""

    rule: Literal[1, 2] = Field(default=1, exclude_if=lambda rule: rule == 1)
    """What a group is. 1: what the node's settings name. 2: the same, but copies of an image are one group, and an
    image alone is named by its bytes; no form of a file name matters (`copies`).
    """

    train: float = Field(default=0.8, gt=0, le=1)
    validation: float = Field(default=0.2, ge=0, le=1)
    test: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _adds_to_one(self) -> Self:
        total = math.fsum((self.train, self.validation, self.test))
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise PydanticCustomError(
                "split", "train, validation and test must add to 1, not {total}", {"total": total}
            )
        return self


def position_of(task_name: str, group: str, trial: int = 0) -> float:
    """Where a group lies in [0, 1): the first 53 bits of SHA-256 of the canonical JSON [task name, trial, group]."""
    digest = hashlib.sha256(canonical_json([task_name, trial, group])).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def split_of(task_name: str, group: str, rule: SplitRule, trial: int = 0) -> Split:
    """The split of a group for life.

    Args:
        task_name: the task's name; another task splits the same groups independently.
        group: what may not be torn apart, such as a patient.
        rule: the fractions.
        trial: 0 for the life of a task; benchmarks reshuffle with 1, 2 …

    Returns:
        "train", "validation" or "test"; a fraction of zero is never returned.
    """
    position = position_of(task_name, group, trial)
    if position < rule.train:
        return "train"
    # Rounding may leave train + validation a hair below one: a test fraction of zero gets nothing all the same.
    if rule.test == 0 and rule.validation > 0:
        return "validation"
    if position < rule.train + rule.validation:
        return "validation"
    return "test" if rule.test > 0 else "train"


ClassName = Annotated[
    str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$", max_length=200)
]
"""A class name: one line of text without spaces at its ends."""


class Task(Record):
    """One image classification task. The order of `classes` is the order of the head's outputs."""

    name: Name
    kind: Literal["auxiliary", "target"]
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2)]
    domains: Annotated[tuple[Name, ...], Field(min_length=1)]
    metric: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    split: SplitRule = SplitRule()
    class_weights: Literal["none", "balanced"] = "none"
    description: str = ""

    @field_validator("classes", "domains")
    @classmethod
    def _unique(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise PydanticCustomError("twice", "'{name}' is listed twice", {"name": twice[0]})
        forms = Counter(unicodedata.normalize("NFC", name) for name in names)
        alike = [name for name in names if forms[unicodedata.normalize("NFC", name)] > 1]
        if alike:
            raise PydanticCustomError(
                "form", "'{name}' is listed twice, in two forms of Unicode that look alike", {"name": alike[0]}
            )
        return names


def load_task(path: str | Path) -> Task:
    """Read a `task.toml`, whose keys are the fields of `Task` (`split` is a table).

    Raises:
        Refusal: naming the file and its first mistake: missing, not TOML, an unknown, missing or unusable key.
    """
    return read_settings(path, Task, "task")


def differences(one: Task, other: Task) -> str:
    """The names of the settings in which two definitions of a task differ."""
    return ", ".join(name for name in Task.model_fields if getattr(one, name) != getattr(other, name))
