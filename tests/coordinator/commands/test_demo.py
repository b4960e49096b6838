"""One demo at a time in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.commands.demo import alone
from ratatouille.errors import Refusal
from ratatouille.processes.locks import locked
from tests.ratatouille.cli.call import call


def test_a_second_demo_in_one_folder_is_refused_with_the_reason_first(tmp_path: Path) -> None:
    with alone(tmp_path / "demo"):
        called = call("demo", "--folder", tmp_path / "demo")
    called.refused(f"a demo runs already in {tmp_path / 'demo'}", "Ctrl-C", "--folder")
    assert called.err.startswith("error: a demo runs already")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["lock"]


def test_a_demo_whose_coordinator_was_left_running_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coordinator").mkdir()
    (tmp_path / "coordinator" / "lock").write_text("4711")
    refused = pytest.raises(Refusal, match="coordinator down --folder")
    with locked(tmp_path / "coordinator" / "lock"), refused, alone(tmp_path):
        pass
