"""Moments as people write them: dates, weeks and times of ISO 8601, or how long ago.

A date means its whole day and a week its seven days from Monday, so each has a beginning and an end; a time is one
moment. Every other form is refused, since a guess would silently leave versions out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ratatouille.errors import Refusal

_AGO = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3}"
_WEEK = r"[0-9]{4}-W[0-9]{2}|[0-9]{4}W[0-9]{2}"
_TIME = r"[0-9]{2}(:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,6})?)?|[0-9]{2}([0-9]{2}([.,][0-9]{1,6})?)?)"
_ZONE = r"Z|[+-][0-9]{2}(:?[0-9]{2})?"
_WHEN = re.compile(rf"(?P<date>(?P<day>{_DAY})|(?P<week>{_WEEK}))([T ](?P<time>{_TIME})(?P<zone>{_ZONE})?)?")
_FORMS = "2026-03-01, 20260301, 2026-W09, 2026-W09-7, or 2026-03-01T12:00 with or without a zone such as Z or +01:00"


@dataclass(frozen=True)
class Period:
    """The period that was written: from `begin`, up to and without `end`, in seconds since 1970; equal for a moment."""

    begin: float
    end: float


def period(words: str) -> Period:
    """The day, the week or the moment that ISO 8601 means by these words; without a zone it is UTC.

    Raises:
        Refusal: for anything else.
    """
    found = _WHEN.fullmatch(words)
    try:
        if found is None or (found["week"] and found["time"]):
            raise ValueError
        when = datetime.fromisoformat(words.replace(" ", "T", 1).replace(",", ".", 1))
        long = timedelta(0) if found["time"] else timedelta(weeks=1) if found["week"] else timedelta(days=1)
        begin = when if when.tzinfo else when.replace(tzinfo=UTC)
        return Period(max(0.0, begin.timestamp()), max(0.0, (begin + long).timestamp()))
    except (ValueError, OverflowError) as error:
        raise Refusal(f"{words[:40]!r} is no moment of ISO 8601; write {_FORMS}") from error


def moment(words: str, now: datetime, end: bool = False) -> float:
    """Seconds since 1970 of a moment of ISO 8601, or of `12h`, `3d`, `2w` before now.

    Args:
        words: the text that a person wrote.
        now: what is counted back from.
        end: whether a day or a week means its end.

    Raises:
        Refusal: for anything else.
    """
    ago = _AGO.fullmatch(words)
    if ago is not None:
        try:
            return max(0.0, (now - int(ago["count"]) * _UNITS[ago["unit"]]).timestamp())
        except OverflowError:  # before the year 1
            return 0.0
    try:
        found = period(words)
    except Refusal as refusal:
        raise Refusal(f"{refusal}; or 12h, 3d, 2w for how long ago") from refusal
    return found.end if end else found.begin


def seconds_of(words: str) -> float:
    """A length of time, written as `12h`, `7d` or `2w`, in seconds.

    Raises:
        Refusal: for anything else.
    """
    found = _AGO.fullmatch(words)
    if found is None or not int(found["count"]):
        raise Refusal(f"{words[:40]!r} is no length of time; write 12h, 7d or 2w")
    return (int(found["count"]) * _UNITS[found["unit"]]).total_seconds()


def day(at: float) -> str:
    """The date of a moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
