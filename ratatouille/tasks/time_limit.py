"""The time limit of a node, such as "4h": how long the scheduler of a cluster lets it run, from its start."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

MARGIN_SECONDS = 180.0
"""A node leaves so long before its limit: a large checkpoint takes a minute, and some time passed before it started."""
LEAST_SECONDS = 600.0
_LIMIT = re.compile(r"(?:([0-9]{1,4})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?")


def limit_seconds(text: str) -> float:
    """A limit as `TimeLimit` takes it, in seconds; 0 for a text that is none."""
    found = _LIMIT.fullmatch(text)
    days, hours, minutes = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    return 60.0 * (minutes + 60 * (hours + 24 * days))


def _checked(value: object) -> object:
    text = value.replace(" ", "") if isinstance(value, str) else ""
    if limit_seconds(text) >= LEAST_SECONDS:
        return text
    raise PydanticCustomError(
        "time_limit",
        "{value} is no limit of time; write 4h, 90m or 1d12h, {least} minutes or more",
        {"value": repr(value)[:40], "least": round(LEAST_SECONDS / 60)},
    )


TimeLimit = Annotated[str, BeforeValidator(_checked)]
"""A limit as "4h", "90m" or "1d12h"."""
