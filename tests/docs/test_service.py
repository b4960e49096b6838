"""docs/service.md does what it says: its snippets run against a service."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.opening import open_registry
from registry.server import RegistryServer
from tests.docs.pages import blocks

PAGE = "docs/service.md"
OURS = [block for block in blocks("python") if block.page == PAGE]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RATATOUILLE_HOME", str(tmp_path / "home"))
    service = RegistryServer(tmp_path / "registry")
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
    registry.rounds.note("one", "version", "subject", "a line")
    registry.close()
    with pytest.raises(EnoughError):
        exec(watch, {"print": show, "__builtins__": builtins})
    assert shown == [(1, "version", "a line")]
