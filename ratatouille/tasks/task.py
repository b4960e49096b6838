"""A task: what is to be recognised, in which domains, how it is split and scored.

It is defined once, in the registry, from a `task.toml`; how a contributor's own labels and folders map to it is said by
that contributor's settings (settings.py). The record's digest names the task: another order of classes is another task.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

from ratatouille.record import Name, Record
from ratatouille.settings import read_settings
from ratatouille.tasks.split import SplitRule

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
