"""Following the log, over every kind of registry."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from ratatouille.errors import Unreachable
from registry.opening import open_registry
from registry.records import Event, RoundRecord
from registry.server import RegistryServer
from registry.services.local import LocalRegistry
from registry.services.registry import Registry
from tests.registry.conftest import Start
from tests.registry.world import World


@pytest.fixture
def registry(world: World) -> Registry:
    return world.registry


def ask(registry: Registry, name: str) -> None:
    registry.rounds.request_round(RoundRecord(id=name, name=name, spec="{}", state="requested", created=1, changed=1))


def once_reachable(do: Callable[[], object], seconds: float = 60) -> None:
    """Do it as soon as the other side lets us."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            do()
            return
        except Unreachable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def taken(registry: Registry, many: int, **asked: object) -> list[Event]:
    watched: Iterator[Event] = registry.rounds.watch(**asked)  # type: ignore[arg-type]
    events = list(islice(watched, many))
    watched.close()  # type: ignore[attr-defined]
    return events


def test_lines_that_are_there_come_at_once_and_new_ones_when_they_happen(registry: Registry) -> None:
    known = registry.rounds.events()
    watched = registry.rounds.watch(0)
    assert list(islice(watched, len(known))) == known
    for number in range(3):
        registry.rounds.note("one", "note", "subject", f"line {number}")
        assert next(watched).text == f"line {number}"
    assert [event.text for event in taken(registry, 2, after=known[-1].number + 1)] == ["line 1", "line 2"]


def test_from_now_on_leaves_out_what_was(registry: Registry) -> None:
    watched = registry.rounds.watch()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, watched)
        while not first.done():  # it watches from some moment on
            registry.rounds.note("one", "note", "subject", "new")
            time.sleep(0.05)
    assert first.result().text == "new"


def test_only_lines_of_a_round_and_of_some_kinds(registry: Registry) -> None:
    ask(registry, "one")
    ask(registry, "two")
    for name in ("one", "two"):
        registry.rounds.note(name, "failure", "subject", f"{name} failed")
        registry.rounds.note(name, "remark", "subject", f"{name} went on")
    assert [event.text for event in taken(registry, 3, after=0, round="two")] == [
        "two requested",
        "two failed",
        "two went on",
    ]
    texts = [event.text for event in taken(registry, 4, after=0, kinds=["failure", "round"])]
    assert texts == ["one requested", "two requested", "one failed", "two failed"]
    assert [event.text for event in taken(registry, 1, after=0, round="one", kinds=["remark"])] == ["one went on"]


def test_many_watchers_see_every_line_of_many_writers_in_order_and_once(registry: Registry) -> None:
    begin = registry.rounds.events()[-1].number

    def write(writer: int) -> None:
        for number in range(20):
            registry.rounds.note(f"{writer}", "note", "subject", f"{number}")

    with ThreadPoolExecutor(16) as pool:
        watchers = [pool.submit(taken, registry, 80, after=begin) for _ in range(8)]
        list(pool.map(write, range(4)))
        seen = [watcher.result() for watcher in watchers]
    assert all(events == seen[0] for events in seen)
    numbers = [event.number for event in seen[0]]
    assert numbers == sorted(set(numbers))
    for writer in range(4):
        assert [event.text for event in seen[0] if event.round == str(writer)] == [str(n) for n in range(20)]


def test_lines_written_by_another_process_are_seen(world: World) -> None:
    begin = world.registry.rounds.events()[-1].number
    with closing(LocalRegistry(world.folder.parent / "registry")) as beside:
        watched = world.registry.rounds.watch(begin)
        beside.rounds.note("one", "note", "subject", "from beside")
        assert next(watched).text == "from beside"


def test_a_watcher_in_process_ends_when_the_registry_is_closed(tmp_path: Path) -> None:
    registry = LocalRegistry(tmp_path / "registry")
    registry.rounds.note("one", "note", "subject", "text")
    with ThreadPoolExecutor(1) as pool:
        watcher = pool.submit(list, registry.rounds.watch(0))
        while registry.watching._looking is False:
            time.sleep(0.01)
        registry.watching.close()
        assert [event.text for event in watcher.result(timeout=60)] == ["text"]
    registry.close()


def test_a_watcher_ends_with_the_service_and_goes_on_after_a_restart(
    make_service: Start, beginning: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    shutil.copytree(beginning / "registry", folder)
    first = make_service(folder)
    with closing(open_registry(first.url, cache=tmp_path / "cache")) as registry:
        known = registry.rounds.events()
        watched = registry.rounds.watch(0)
        seen = list(islice(watched, len(known)))
        assert first.end() == 0
        assert list(watched) == []
        with pytest.raises(Unreachable, match="no registry answers"):
            next(registry.rounds.watch(seen[-1].number))
        make_service(folder, int(first.url.rsplit(":", 1)[1]))
        once_reachable(lambda: registry.rounds.note("one", "note", "subject", "later"))
        assert [event.text for event in taken(registry, 1, after=seen[-1].number)] == ["later"]


def test_signs_of_life_come_when_nothing_happens_and_silence_ends_the_stream(
    beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.history.watcher.BEAT_SECONDS", 0.05)
    shutil.copytree(beginning / "registry", tmp_path / "registry")
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(LocalRegistry(tmp_path / "registry")) as local:
        steps = local.watching.steps(None)
        last = local.rounds.events()[-1].number
        assert list(islice(steps, 4)) == [last] * 4
        steps.close()  # type: ignore[attr-defined]
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        monkeypatch.setattr("registry.transport.client.BEAT_SECONDS", 0.5)
        watched = registry.rounds.watch(last)
        with ThreadPoolExecutor(1) as pool:
            event = pool.submit(next, watched)
            time.sleep(3)  # longer than it would wait without signs of life
            registry.rounds.note("one", "note", "subject", "text")
            assert event.result().text == "text"
        watched.close()  # type: ignore[attr-defined]
        monkeypatch.setattr("registry.history.watcher.BEAT_SECONDS", 60.0)
        monkeypatch.setattr("registry.transport.client.BEAT_SECONDS", 0.05)
        with pytest.raises(Unreachable, match=r"watch was ended by the registry at .*, or was silent for too long"):
            list(registry.rounds.watch())
    service.stop(grace=5)


def test_a_watcher_that_hangs_up_frees_its_place(
    beginning: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.transport.servicer.MOST_WATCHERS", 3)  # of which one peer may have three quarters
    shutil.copytree(beginning / "registry", tmp_path / "registry")
    service = RegistryServer(tmp_path / "registry")
    service.start()
    with closing(open_registry(service.address, cache=tmp_path / "cache")) as registry:
        watchers = [registry.rounds.watch(0) for _ in range(2)]
        for one in watchers:
            next(one)
        with pytest.raises(Unreachable, match="this peer has 2 watchers already"):
            next(registry.rounds.watch(0))
        watchers[0].close()  # type: ignore[attr-defined]
        once_reachable(lambda: taken(registry, 1, after=0))
        watchers[1].close()  # type: ignore[attr-defined]
    service.stop(grace=5)
