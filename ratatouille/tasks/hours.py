"""The hours in which a node works: ranges of the day such as "22:00-07:00", by the clock of the machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True)
class Hours:
    """Ranges of the day; one that ends before it begins crosses midnight, one that ends where it begins is the day."""

    ranges: tuple[tuple[time, time], ...]

    def include(self, moment: datetime) -> bool:
        """Whether a moment is within one of them; the end is not."""
        return any(_includes(begin, end, moment.time()) for begin, end in self.ranges)

    def next(self, moment: datetime) -> datetime:
        """When the next range begins."""
        days = (moment.date() + timedelta(days=days) for days in (0, 1))
        begins = [datetime.combine(day, begin) for day in days for begin, _ in self.ranges]
        return min(one for one in begins if one > moment)


def hours_of(texts: tuple[str, ...]) -> Hours | None:
    """The hours that were written, or None for every hour; texts are as `HourTexts` takes them."""
    ranges = [list(map(int, found.groups())) for text in texts if (found := _RANGE.fullmatch(text))]
    return Hours(tuple((time(a, b), time(c % 24, d)) for a, b, c, d in ranges)) if ranges else None


def _includes(begin: time, end: time, moment: time) -> bool:
    return begin <= moment < end if begin < end else moment >= begin or moment < end


def _texts(value: object) -> object:
    """One text, with commas between ranges, or a list of them."""
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple):
        return value
    return tuple(_checked(text) for text in texts)


def _checked(text: object) -> str:
    found = _RANGE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is not None:
        hour, minute, last_hour, last_minute = map(int, found.groups())
        in_order = hour < 24 and minute < 60 and last_minute < 60 and last_hour * 60 + last_minute <= 24 * 60
        if in_order:
            return f"{hour:02}:{minute:02}-{last_hour:02}:{last_minute:02}"
    raise PydanticCustomError(
        "hours", '{text} is no range of hours; write "22:00-07:00"', {"text": repr(str(text)[:40])}
    )


HourTexts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
"""Ranges as "22:00-07:00", read from one text or a list."""
