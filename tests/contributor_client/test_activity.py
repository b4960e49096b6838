"""The activity of a node: noted by its worker, read by the process that shows it."""

import json
import stat
from pathlib import Path

from contributor_client.activity import Activity, ActivityFile, together


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_noted_is_read_by_another_process_and_by_nobody_else(tmp_path: Path) -> None:
    writer = ActivityFile(tmp_path / "activity.json", lambda: (3, 5))
    writer.begin("leaves", "soup run 1 of 3", "a-round")
    writer.progress(12, 300, "training, loss 0.500")
    writer.note_problem("'/home/anna/images' cannot be read")
    writer.write()
    found = ActivityFile(tmp_path / "activity.json").read()
    assert (found.task, found.label, found.phase, found.done, found.total) == (
        "leaves",
        "soup run 1 of 3",
        "training",
        12,
        300,
    )
    assert (found.sent, found.received, found.rounds) == (3, 5, ("a-round",))
    assert stat.S_IMODE((tmp_path / "activity.json").stat().st_mode) == 0o600


def test_the_time_left_is_measured_on_the_work_that_goes_on_and_else_not_said(tmp_path: Path) -> None:
    clock = Clock()
    writer = ActivityFile(tmp_path / "activity.json", clock=clock)
    writer.begin("leaves", "", "a-round")

    def left() -> float | None:
        writer.write()
        return writer.read().seconds_left(clock.now)

    writer.progress(1, 100, "warm-up, loss 1.000")
    assert left() is None
    clock.now += 10
    writer.progress(11, 100, "warm-up, loss 0.900")
    assert left() == 89
    writer.progress(12, 100, "training, loss 0.900")  # the pace of another kind of step says nothing
    assert left() is None
    clock.now += 40
    writer.progress(22, 100, "training, loss 0.800")
    assert left() == 4 * 78
    writer.progress(0, 0, "pushing")
    clock.now += 40
    assert left() is None


def test_a_worker_that_is_started_again_goes_on_counting_and_is_idle(tmp_path: Path) -> None:
    first = ActivityFile(tmp_path / "activity.json", lambda: (100, 10))
    first.begin("leaves", "soup run 1 of 3", "a-round")
    first.end(answered=True)
    first.begin("leaves", "soup run 2 of 3", "a-round")
    first.progress(7, 300, "training, loss 0.500")
    first.write()
    second = ActivityFile(tmp_path / "activity.json", lambda: (1, 1))
    second.write()
    found = second.read()
    assert (found.answered, found.sent, found.received, found.task, found.rounds) == (1, 101, 11, "", ("a-round",))


def test_a_training_that_was_saved_is_said_until_the_worker_is_started_again(tmp_path: Path) -> None:
    first = ActivityFile(tmp_path / "activity.json")
    first.begin("leaves", "soup run 1 of 3", "a-round")
    first.progress(41, 300, "training, loss 0.500")
    first.note_saved(41)
    first.progress(42, 300, "training, loss 0.100")  # a step that was still running, and is lost
    first.write()
    assert (first.read().saved, first.read().done) == (41, 41)
    second = ActivityFile(tmp_path / "activity.json")
    second.write()
    assert second.read().saved is None


def test_a_file_that_cannot_be_read_is_an_idle_worker(tmp_path: Path) -> None:
    file = ActivityFile(tmp_path / "activity.json")
    assert file.read() == Activity()
    (tmp_path / "activity.json").write_text(json.dumps({"done": "many"}))
    assert file.read() == Activity()


def test_the_workers_of_a_node_are_shown_as_one() -> None:
    one = Activity(
        task="leaves",
        label="soup run 1",
        doing="training, loss 1.0",
        done=10,
        total=60,
        since=5.0,
        since_done=2,
        sent=1,
    )
    other = one.model_copy(update={"label": "soup run 2", "done": 20, "since": 3.0, "answered": 4, "rounds": ("r",)})
    both = together([one, Activity(answered=1, problem="an image is gone"), other])
    assert (both.task, both.label, both.doing) == ("leaves", "soup run 1, soup run 2", "training")
    assert (both.done, both.total, both.since, both.since_done) == (30, 120, 3.0, 4)
    assert (both.answered, both.sent, both.rounds, both.problem) == (5, 2, ("r",), "an image is gone")
    assert both.seconds_left(16.0) == (16.0 - 3.0) / 26 * 90
    assert together([one]).doing == one.doing
    assert together([one, one.model_copy(update={"doing": "evaluating"})]).doing == "working"
    assert together([Activity(), Activity()]) == Activity()
