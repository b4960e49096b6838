from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ratatouille.errors import Refusal
from registry.moments import moment, period

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC)


def seconds(*words: int) -> float:
    return datetime(*words, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("words", "when"),
    [
        ("2026-03-01", seconds(2026, 3, 1)),
        ("2026-03-01T12:30", seconds(2026, 3, 1, 12, 30)),
        ("2026-03-01 12:30", seconds(2026, 3, 1, 12, 30)),
        ("2026-03-01T12:30+02:00", seconds(2026, 3, 1, 10, 30)),
        ("20260301T1230Z", seconds(2026, 3, 1, 12, 30)),
        ("2026-03-01T12:30:15,5-0130", seconds(2026, 3, 1, 14, 0) + 15.5),
        ("20260301", seconds(2026, 3, 1)),
        ("2026-W09", seconds(2026, 2, 23)),
        ("2026W09", seconds(2026, 2, 23)),
        ("2026-W09-7", seconds(2026, 3, 1)),
        ("2026W097", seconds(2026, 3, 1)),
        ("2026-W09-7T12:30", seconds(2026, 3, 1, 12, 30)),
        ("2020-W53-5", seconds(2021, 1, 1)),
        ("12h", seconds(2026, 3, 15)),
        ("3d", seconds(2026, 3, 12, 12)),
        ("2w", (NOW - timedelta(weeks=2)).timestamp()),
    ],
)
def test_dates_times_and_spans_are_moments_in_utc(words: str, when: float) -> None:
    assert moment(words, NOW) == when


@pytest.mark.parametrize("day", ["2026-03-01", "20260301", "2026-W09-7", "2026W097"])
def test_every_form_of_a_day_means_the_whole_day(day: str) -> None:
    found = period(day)
    assert (found.begin, found.end) == (seconds(2026, 3, 1), seconds(2026, 3, 2))
    assert (moment(day, NOW), moment(day, NOW, end=True)) == (found.begin, found.end)


@pytest.mark.parametrize("week", ["2026-W09", "2026W09"])
def test_a_week_means_its_seven_days_from_monday(week: str) -> None:
    found = period(week)
    assert (found.begin, found.end) == (seconds(2026, 2, 23), seconds(2026, 3, 2))


def test_a_time_and_a_span_are_moments_without_length() -> None:
    assert moment("2026-03-01T00:00", NOW, end=True) == seconds(2026, 3, 1)
    assert moment("3d", NOW, end=True) == moment("3d", NOW)


def test_what_lies_before_1970_is_the_beginning() -> None:
    assert moment("90000w", NOW) == moment("99999w", NOW) == moment("1912-06-23", NOW) == 0


MISTYPED = ["", "soon", "3", "3y", "-3d", "d", "99999w0", "9999-12-31x", "2026-13-01", "2026-3-1", "0000-01-01"]
NOT_GUESSED = ["2026-03", "2026", "202603", "2026-061", "260301", "2026-0301", "202603-01"]
"""Months, years, days of a year: ISO 8601 too, or half of it."""
WEEKS = ["2026-W60", "2026-W9", "2026-W09-8", "2026-W09-0", "2026-W09T12:00", "2026-W097", "2026W09-7"]
TIMES = ["2026-03-01T12", "2026-03-01T25:00", "2026-03-01x12:00", "2026-03-01Z", "12:00", "2026-03-01T12:00+25:00"]
SIGNS = ["\uff12026-03-01", "2026-03-01 ", " 2026-03-01"]


@pytest.mark.parametrize("words", [*MISTYPED, *NOT_GUESSED, *WEEKS, *TIMES, *SIGNS])
def test_anything_else_is_refused_with_examples(words: str) -> None:
    with pytest.raises(Refusal, match=r"is no moment of ISO 8601; write 2026-03-01, .*or 12h, 3d, 2w for how long ago"):
        moment(words, NOW)
