"""One line a minute for each kind of garbage."""

import logging

import pytest

from ratatouille.processes.throttle import MINUTE, Throttle, ThrottleFilter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_kind_has_one_line_a_minute_which_counts_what_was_left_out() -> None:
    clock = Clock()
    throttle = Throttle(clock=clock)
    assert [throttle.passes("a"), throttle.passes("b"), throttle.passes("a"), throttle.passes("a")] == [
        0,
        0,
        None,
        None,
    ]
    clock.now += MINUTE
    assert [throttle.passes("a"), throttle.passes("a"), throttle.passes("b")] == [2, None, 0]


def test_kinds_that_strangers_invent_take_no_memory_without_end() -> None:
    throttle = Throttle(clock=Clock())
    for number in range(100_000):
        throttle.passes(str(number))
    assert len(throttle._kinds) <= 1000


def test_a_filter_lets_a_text_of_another_program_through_once_a_minute_without_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    log = logging.getLogger("somebody.else")
    log.addFilter(ThrottleFilter(clock=clock))
    for number in range(50):
        log.info("ready %d", number)
        try:
            raise ValueError(number)
        except ValueError:
            log.exception("Invalid request %d", number)
    clock.now += MINUTE
    log.warning("Invalid request %d", 7)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings] == [
        "Invalid request 0",
        "Invalid request 7 (and 49 more like it before)",
    ]
    assert all(record.exc_info is None for record in warnings)
    log.filters.clear()
