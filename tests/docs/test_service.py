"""docs/service.md does what it says: its snippets run against a service, and its numbers are the code's."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.engines import postgresql
from registry.opening import open_registry
from registry.service import client, servicer, wire
from registry.service.process import Service
from tests.docs.pages import ROOT, blocks, text_of

PAGE = "docs/service.md"
OURS = [block for block in blocks("python") if block.page == PAGE]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    service = Service(tmp_path / "registry")
    service.start()
    yield service.address
    service.stop(grace=1)


class EnoughError(Exception):
    """A watcher has seen what there is."""


def test_the_python_snippets_run(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask, watch = (block.text.replace("grpc://127.0.0.1:9290", address) for block in OURS)
    exec(ask, {})
    assert "ratatouille" in capsys.readouterr().out
    shown: list[tuple[object, ...]] = []

    def show(*words: object) -> None:
        shown.append(words)
        raise EnoughError

    registry = open_registry(address)
    registry.note("one", "version", "subject", "a line")
    registry.close()
    with pytest.raises(EnoughError):
        exec(watch, {"print": show, "__builtins__": builtins})
    assert shown == [(1, "version", "a line")]


def test_the_times_that_are_waited_are_those_of_the_code() -> None:
    page = text_of(ROOT / PAGE)
    rows = {line.split("|")[1].strip(" `"): line for line in page.splitlines() if line.startswith("| `")}
    assert f"{client.DEADLINE_SECONDS:.0f} seconds; {client.LONG_DEADLINES['verify'] / 3600:.0f} hours" in rows["Call"]
    for stream in ("Fetch", "Push"):
        assert f"{client.IDLE_SECONDS:.0f} seconds" in rows[stream]
        assert f"{servicer.IDLE_SECONDS:.0f} seconds" in rows[stream]
    assert f"{4 * wire.BEAT_SECONDS:.0f} seconds without" in rows["Watch"]
    assert f"every {wire.BEAT_SECONDS:.0f} seconds" in rows["Watch"]
    assert f"one process uses {postgresql.CONNECTIONS} at most" in page
