from __future__ import annotations

from pathlib import Path

from registry.services.local import LocalRegistry
from registry.web import feed as feeds
from registry.web.feed import LINES, Feed


def test_a_look_reads_on_from_the_last_one(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    assert feed.look("r1").last == 0
    for number in range(3):
        registry.rounds.note("r1", "version", f"{number}" * 64, "made")
    registry.rounds.note("r2", "version", "9" * 64, "made elsewhere")
    assert feed.look("r1").counts == {"version": 3}
    registry.rounds.note("r1", "evaluation", "1" * 64, "counted")
    told = feed.look("r1")
    assert told.counts == {"version": 3, "evaluation": 1}
    assert [event.kind for event in told.lines] == ["version"] * 3 + ["evaluation"]
    assert feed.look("r2").counts == {"version": 1}
    registry.close()


def test_progress_counts_from_where_the_plan_foretold_it(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    registry.rounds.note("r1", "version", "1" * 64, "made before it was foretold")
    assert (feed.look("r1").done, feed.look("r1").expected) == (1, None)
    registry.rounds.note("r1", "plan", "5/7", "7 questions, 5 of them answered")
    assert (feed.look("r1").done, feed.look("r1").expected) == (5, 7)
    for kind in ("version", "evaluation", "failure", "version"):
        registry.rounds.note("r1", kind, "2" * 64, "more")
    assert (feed.look("r1").done, feed.look("r1").expected) == (7, 7)
    registry.rounds.note("r1", "plan", "many/few", "nonsense is not believed")
    assert feed.look("r1").expected == 7
    registry.close()


def test_a_long_log_is_read_to_its_end_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    for number in range(2 * LINES + 5):
        registry.rounds.note("r1", "version", "3" * 64, str(number))
    pages = feeds.PAGE
    feeds.PAGE = 10
    try:
        told = Feed(registry).look("r1")
    finally:
        feeds.PAGE = pages
    assert told.counts["version"] == 2 * LINES + 5
    assert [event.text for event in told.lines] == [str(number) for number in range(LINES + 5, 2 * LINES + 5)]
    registry.close()


def test_rounds_that_nobody_looks_at_are_forgotten(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    feed = Feed(registry)
    for number in range(feeds.ROUNDS + 10):
        feed.look(f"r{number}")
    assert len(feed._told) == feeds.ROUNDS
    registry.close()
