"""The state of a work lane: what was noted is read, and an answer counts for a minute."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contributor_client.lane_file import FRESH_SECONDS, LaneFile, LaneState


def test_a_lane_that_nobody_noted_hears_nothing(tmp_path: Path) -> None:
    assert LaneFile(tmp_path / "lane.json").read() == LaneState()
    assert not LaneState().hears(now=1e9)


def test_answers_and_failures_are_read_by_another_process(tmp_path: Path) -> None:
    writer, reader = LaneFile(tmp_path / "lane.json", lambda: 1000.0), LaneFile(tmp_path / "lane.json")
    writer.answer()
    assert reader.read() == LaneState(1000.0)
    assert reader.read().hears(1000.0 + FRESH_SECONDS - 1)
    assert not reader.read().hears(1000.0 + FRESH_SECONDS)
    writer.fail("it cannot be reached")
    assert reader.read() == LaneState(1000.0, "it cannot be reached")
    assert not reader.read().hears(1001.0)
    writer.answer()
    assert reader.read().hears(1001.0)
    reader.forget()
    assert reader.read() == LaneState()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"answered": 1}', '{"answered": "soon", "problem": ""}'])
def test_a_damaged_file_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "lane.json").write_text(text)
    assert LaneFile(tmp_path / "lane.json").read() == LaneState()


def test_threads_that_note_at_one_moment_do_not_take_each_others_file_away(tmp_path: Path) -> None:
    # The SuperNode's sign of life and its look for messages are two threads; an error here would end its loop.
    lane = LaneFile(tmp_path / "lane.json")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lane.fail, (f"problem {number}" for number in range(2000))))
    assert lane.read().problem.startswith("problem")
