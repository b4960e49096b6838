"""kill -9 at each commit point of gc: what is marked is marked whole, files go later, and repeating ends it."""

import pytest

from registry.records import Collected, Result
from tests.registry.killed import DIED, run
from tests.registry.seasons import files, gone
from tests.registry.seasons import seasons as seasons
from tests.registry.world import World

BEFORE_ROWS = {
    "before anything is marked": "registry.retention.gc:_mark:before",
    "after the marks, before the transaction ends": "registry.retention.gc:_mark:after",
}
AFTER_ROWS = {
    "between rows and files": "registry.retention.gc:_remove:before",
    "before the first file": "registry.blobs.access:Blobs.remove:before",
    "between two files": "registry.blobs.access:Blobs.remove:after:3",
    "before the transaction around the files ends": "registry.blobs.access:Blobs.remove:after:8",
    "before the acknowledgement": "registry.services.maintenance:Maintenance.collect:after",
}
TAKEN = {"a", "b", "c", "abc"}


def died(world: World, point: str) -> None:
    found = run(point, world.folder.parent / "registry", "collect")
    assert found.returncode == DIED


def finish(world: World, made: dict[str, Result]) -> Collected:
    found = run("-", world.folder.parent / "registry", "collect")
    assert found.returncode == 0
    assert gone(world, made) == TAKEN
    nothing_is_wrong(world)
    return Collected.from_json(found.answer)


def nothing_is_wrong(world: World) -> None:
    entries = world.registry.versions.log(limit=100)
    assert all(world.registry.versions.verify(entry.id).verdict != "wrong" for entry in entries)


@pytest.mark.parametrize("world", ["folder"], indirect=True)
@pytest.mark.parametrize("point", BEFORE_ROWS.values(), ids=BEFORE_ROWS)
def test_killed_before_the_rows_are_written_nothing_is_gone(
    world: World, seasons: dict[str, Result], point: str
) -> None:
    before = files(world)
    died(world, point)
    assert files(world) == before
    assert gone(world, seasons) == set()
    nothing_is_wrong(world)
    assert finish(world, seasons).blobs == 8


@pytest.mark.parametrize(
    ("world", "point"),
    [("folder", point) for point in AFTER_ROWS] + [("postgresql", "between two files")],
    indirect=["world"],
)
def test_killed_after_the_rows_are_written_the_files_go_the_next_time(
    world: World, seasons: dict[str, Result], point: str
) -> None:
    before = files(world)
    died(world, AFTER_ROWS[point])
    answers = world.registry.work.results([one.work_id for one in seasons.values()])
    marked = {name for name, one in seasons.items() if answers[one.work_id].collected is not None}
    assert marked == TAKEN
    nothing_is_wrong(world)
    left = len(files(world)) - (len(before) - 8)
    done = finish(world, seasons)
    assert (done.blobs, done.stray) == (0, left)
