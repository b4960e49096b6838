"""A task: what is to be recognised, in which domains, how it is split and scored.

It is defined once, in the registry, from a `task.toml`; how a contributor's own labels and folders map to it is said by
that contributor's settings (settings.py). The record's digest names the task: another order of classes is another task.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from ratatouille.errors import Refusal
from ratatouille.record import Name, Record, first_problem
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
        return names


def load_task(path: str | Path) -> Task:
    """Read a `task.toml`, whose keys are the fields of `Task` (`split` is a table).

    Raises:
        Refusal: naming the file and its first mistake: missing, not TOML, an unknown, missing or unusable key.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(f"there is no task file '{path}'; `ratatouille init task` writes one to fill in") from None
    except OSError as error:
        raise Refusal(f"the task file '{path}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"the task file '{path}' is not UTF-8 text; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"the task file '{path}' is not valid TOML: {error}") from error
    try:
        return Task.model_validate(values)
    except ValidationError as error:
        raise Refusal(f"the task file '{path}' cannot be used: {_mistake(error)}") from error


def _mistake(error: ValidationError) -> str:
    """The first mistake as a clause that people can act on."""
    problem = error.errors(include_url=False, include_context=False)[0]
    key = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            known = list(SplitRule.model_fields if key.startswith("split.") else Task.model_fields)
            near = get_close_matches(str(problem["loc"][-1]), known, n=1)
            return f"it has no key '{key}'; " + (
                f"did you mean '{near[0]}'?" if near else f"the keys are {', '.join(known)}"
            )
        case "missing":
            return f"the key '{key}' is missing"
        case _:
            return first_problem(error)
