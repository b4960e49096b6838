"""Moments as people write them: a date, a date with a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from ratatouille.errors import Refusal

_AGO = re.compile(r"(?P<count>[0-9]{1,5})(?P<unit>[hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DATE = len("2026-03-01")


def moment(words: str, now: datetime, end: bool = False) -> float:
    """Seconds since 1970 of `2026-03-01`, `2026-03-01T12:00`, or `12h`, `3d`, `2w` (ago). Without a zone it is UTC.

    Args:
        words: what somebody wrote.
        now: what is counted back from.
        end: whether a date means the end of that day.

    Raises:
        Refusal: for anything else.
    """
    ago = _AGO.fullmatch(words)
    try:
        if ago is not None:
            return max(0.0, (now - int(ago["count"]) * _UNITS[ago["unit"]]).timestamp())
        when = datetime.fromisoformat(words.replace(" ", "T", 1))
        if end and len(words) == _DATE:
            when += timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise Refusal(f"{words[:40]!r} is no moment; write 2026-03-01, 2026-03-01T12:00, or 12h, 3d, 2w ago") from error
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
