from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ratatouille.errors import Refusal
from registry.commands.moments import moment

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
        ("12h", seconds(2026, 3, 15)),
        ("3d", seconds(2026, 3, 12, 12)),
        ("2w", (NOW - timedelta(weeks=2)).timestamp()),
    ],
)
def test_dates_times_and_spans_are_moments_in_utc(words: str, when: float) -> None:
    assert moment(words, NOW) == when


def test_a_date_as_an_end_is_the_end_of_its_day_and_nothing_else_is() -> None:
    assert moment("2026-03-01", NOW, end=True) == seconds(2026, 3, 2)
    assert moment("2026-03-01T00:00", NOW, end=True) == seconds(2026, 3, 1)
    assert moment("3d", NOW, end=True) == moment("3d", NOW)


def test_what_lies_before_1970_is_the_beginning() -> None:
    assert moment("90000w", NOW) == moment("1912-06-23", NOW) == 0


@pytest.mark.parametrize("words", ["", "soon", "3", "3y", "-3d", "2026-13-01", "9999-12-31x", "99999w0", "d"])
def test_anything_else_is_refused_with_examples(words: str) -> None:
    with pytest.raises(Refusal, match="write 2026-03-01, 2026-03-01T12:00, or 12h, 3d, 2w ago"):
        moment(words, NOW)
