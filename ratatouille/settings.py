"""Settings files: TOML read once, at the border, into a frozen record, with mistakes named for people.

A file's keys are the fields of its record. Flags of commands override them; what a file means is known where its record
is defined (`coordinator.settings`, `contributor_client.settings`, `ratatouille.tasks.task`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ratatouille.errors import Refusal
from ratatouille.record import first_problem

R = TypeVar("R", bound=BaseModel)
LARGEST_FILE = 4 * 2**20
"""Characters of a settings file: twenty thousand classes with long names fit."""


def read_toml(path: str | Path, kind: str) -> dict[str, Any]:
    """The values of a TOML file; `kind` is what people call it, such as "round".

    Raises:
        Refusal: when there is no such file, or it is not TOML, or too large.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as file:  # some editors write a byte-order mark
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise Refusal(f"the {kind} file '{path}' has more than {LARGEST_FILE} characters")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise Refusal(
            f"there is no {kind} file '{path}'; `ratatouille init {kind}` writes one with comments to fill in"
        ) from None
    except OSError as error:
        raise Refusal(f"the {kind} file '{path}' cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"the {kind} file '{path}' is not UTF-8 text; save it as UTF-8") from error
    except RecursionError:
        raise Refusal(f"the {kind} file '{path}' is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # tomllib's own error, and Python's for a number of thousands of digits
        raise Refusal(f"the {kind} file '{path}' is not valid TOML: {error}") from error


def parse_settings(values: dict[str, Any], record: type[R], path: str | Path, kind: str) -> R:
    """The values of a file as a record.

    Raises:
        Refusal: naming the file and its first mistake: an unknown, missing or unusable key.
    """
    try:
        return record.model_validate(values)
    except ValidationError as error:
        raise Refusal(f"the {kind} file '{path}' cannot be used: {mistake(error, record)}") from error


def read_settings(path: str | Path, record: type[R], kind: str) -> R:
    """Read a settings file into its record; raises as `read_toml` and `parse_settings` do."""
    return parse_settings(read_toml(path, kind), record, path, kind)


def mistake(error: ValidationError, record: type[BaseModel]) -> str:
    """The first mistake in values for a record, as one clause; a misspelt key comes with the nearest right one."""
    problems = error.errors(include_url=False, include_context=False)
    # A misspelled key is reported as a missing one first; the unknown one says more.
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"the key '{key}' is missing"
    if problem["type"] != "extra_forbidden":
        return first_problem(error)
    known = _fields(record, problem["loc"][:-1])
    return f"it has no key '{key}'; {advice(str(problem['loc'][-1]), known, 'keys')}"


def advice(word: str, known: Iterable[str], kind: str) -> str:
    """What to write in place of a word that is not known: the nearest one that is, else all of this kind."""
    words = list(known)
    near = get_close_matches(word, words, n=1)
    return f"did you mean '{near[0]}'?" if near else f"the {kind} are {', '.join(words)}"


def _fields(record: type[BaseModel], where: tuple[int | str, ...]) -> list[str]:
    """The keys that a (nested) table may have."""
    fields = record.model_fields
    for part in where:
        if not isinstance(part, str) or part not in fields:
            continue
        annotation = fields[part].annotation
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                fields = candidate.model_fields
                break
    return list(fields)
