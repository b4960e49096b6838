from __future__ import annotations

from pathlib import Path

from registry.services.local import LocalRegistry
from registry.web.pages import live
from registry.web.pages.live import MOST_LINES, Feed


def test_a_look_reads_on_from_the_last_one(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    assert feed.read("r1").last == 0
    for number in range(3):
        registry.rounds.note("r1", "version", f"{number}" * 64, "made")
    registry.rounds.note("r2", "version", "9" * 64, "made elsewhere")
    assert feed.read("r1").counts == {"version": 3}
    registry.rounds.note("r1", "evaluation", "1" * 64, "counted")
    log = feed.read("r1")
    assert log.counts == {"version": 3, "evaluation": 1}
    assert [event.kind for event in log.lines] == ["version"] * 3 + ["evaluation"]
    assert feed.read("r2").counts == {"version": 1}
    registry.close()


def test_progress_counts_from_where_the_plan_foretold_it(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    registry.rounds.note("r1", "version", "1" * 64, "made before it was foretold")
    assert (feed.read("r1").done, feed.read("r1").expected) == (1, None)
    registry.rounds.note("r1", "plan", "5/7", "7 questions, 5 of them answered")
    assert (feed.read("r1").done, feed.read("r1").expected) == (5, 7)
    for kind in ("version", "evaluation", "failure", "version"):
        registry.rounds.note("r1", kind, "2" * 64, "more")
    assert (feed.read("r1").done, feed.read("r1").expected) == (7, 7)
    registry.rounds.note("r1", "plan", "many/few", "nonsense is not believed")
    assert feed.read("r1").expected == 7
    registry.close()


def test_a_long_log_is_read_to_its_end_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    for number in range(2 * MOST_LINES + 5):
        registry.rounds.note("r1", "version", "3" * 64, str(number))
    pages = live.EVENTS_AT_ONCE
    live.EVENTS_AT_ONCE = 10
    try:
        log = Feed(registry).read("r1")
    finally:
        live.EVENTS_AT_ONCE = pages
    assert log.counts["version"] == 2 * MOST_LINES + 5
    assert [event.text for event in log.lines] == [str(number) for number in range(MOST_LINES + 5, 2 * MOST_LINES + 5)]
    registry.close()


def test_rounds_that_nobody_looks_at_are_forgotten(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    for number in range(live.ROUNDS + 10):
        feed.read(f"r{number}")
    assert len(feed._logs) == live.ROUNDS
    registry.close()
