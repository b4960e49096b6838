"""Following a round that waits for a coordinator, and the log of one through an outage."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from coordinator.commands.follow import _Bars, events_until_over, follow
from coordinator.progress import RoundProgress, Working
from registry.opening import open_registry
from registry.records import Info, RoundRecord
from registry.services.local import LocalRegistry
from tests.coordinator.test_rounds import Books
from tests.memory import registry_of
from tests.ratatouille.recipes.simulation import a_round
from tests.registry.conftest import Start


class Alone(Books):
    """A registry without a coordinator; somebody cancels the round after a while."""

    looks = 0

    def info(self) -> Info:
        return Info(software="test")

    def round(self, id_: str) -> RoundRecord:
        self.looks += 1
        return self.row.model_copy(update={"state": "requested" if self.looks < 3 else "cancelled"})


def test_a_round_without_a_coordinator_says_what_it_waits_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.commands.follow._LOOK_SECONDS", 0.0)
    books = Alone(a_round("", ("soup",)), "anna")
    follow(registry_of(books), books.row.id)
    out = "".join(capsys.readouterr())
    assert out.count("no coordinator is up; the round waits until `ratatouille coordinator up`") == 1


def test_the_log_of_a_round_is_told_to_its_end_through_a_restart_of_the_service(
    make_service: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.commands.follow._LOOK_SECONDS", 0.1)
    first = make_service(tmp_path / "registry")
    with (
        closing(LocalRegistry(tmp_path / "registry")) as registry,
        closing(open_registry(first.url, cache=tmp_path / "cache")) as watched,
        ThreadPoolExecutor(1) as pool,
    ):
        for name in ("one", "other"):
            asked = RoundRecord(id=name, name=name, spec="{}", state="requested", created=1.0, changed=1.0)
            registry.rounds.request_round(asked)
        lines = events_until_over(watched, "one")
        assert next(lines).text == "one requested"
        registry.rounds.note("one", "remark", "subject", "before")
        registry.rounds.note("other", "remark", "subject", "of another round")
        assert next(lines).text == "before"
        rest = pool.submit(list, lines)
        first.end()
        registry.rounds.note("one", "remark", "subject", "while it was down")
        make_service(tmp_path / "registry", int(first.url.rsplit(":", 1)[1]))
        registry.rounds.note("one", "remark", "subject", "after")
        registry.rounds.move_round("one", ["requested"], "done", "as planned")
        texts = [event.text for event in rest.result(timeout=60)]
        assert texts == ["while it was down", "after", "one done: as planned"]
        assert [event.text for event in events_until_over(watched, "one")] == ["one requested", "before", *texts]


def test_a_node_that_is_not_at_work_any_more_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.commands.follow._IDLE_SECONDS", 0.0)
    bars = _Bars()

    def shown(*names: str) -> list[str]:
        workers = tuple(Working(node=name, doing="soup run 1 of 2", done=3, total=30) for name in names)
        counts = {"trainings": 2, "trainings_done": 0, "evaluations": 1, "evaluations_done": 0}
        bars.show("running", RoundProgress(**counts, steps=60, steps_done=3, workers=workers))
        return [task.description.strip() for task in bars._progress.tasks[2:]]

    assert shown("anna", "26ce67a653") == ["anna: soup run 1 of 2", "26ce67a653: soup run 1 of 2"]
    assert shown("anna") == ["anna: soup run 1 of 2"], "the lease of a node that was paused has ended"
    assert shown() == []
    assert shown("anna") == ["anna: soup run 1 of 2"]
