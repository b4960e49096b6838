"""The hours of a node: ranges of the day, also across midnight."""

from datetime import datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from ratatouille.tasks.hours import HourTexts, hours_of

TEXTS: TypeAdapter[tuple[str, ...]] = TypeAdapter(HourTexts)


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-28 {clock}")


@pytest.mark.parametrize(
    ("written", "within", "outside", "next_from_noon"),
    [
        ("22:00-07:00", ("22:00", "23:59", "00:00", "06:59"), ("07:00", "12:00", "21:59"), "2026-11-28 22:00"),
        ("9:00 – 11:30", ("09:00", "11:29"), ("11:30", "08:59"), "2026-11-29 09:00"),
        (["22:00-24:00", "01:00-02:00"], ("22:30", "01:59"), ("00:30", "02:00"), "2026-11-28 22:00"),
        ("12:30-13:00, 18:00-19:00", ("12:45", "18:00"), ("13:00", "12:00"), "2026-11-28 12:30"),
        ("00:00-24:00", ("00:00", "12:00", "23:59"), (), "2026-11-29 00:00"),
    ],
)
def test_a_moment_is_within_the_hours_that_were_written(
    written: object, within: tuple[str, ...], outside: tuple[str, ...], next_from_noon: str
) -> None:
    hours = hours_of(TEXTS.validate_python(written))
    assert hours is not None
    assert all(hours.include(at(clock)) for clock in within)
    assert not any(hours.include(at(clock)) for clock in outside)
    assert hours.next(at("12:00")) == datetime.fromisoformat(next_from_noon)


def test_without_hours_a_node_works_at_any_time() -> None:
    assert hours_of(()) is None


@pytest.mark.parametrize("written", ["22-7", "25:00-07:00", "22:00-24:01", "22:60-23:00", "", "at night", ["22:00", 7]])
def test_what_is_no_range_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValidationError, match='is no range of hours; write "22:00-07:00"'):
        TEXTS.validate_python(written)
