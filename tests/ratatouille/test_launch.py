"""The launcher starts a service's `main`, with its arguments, and leaves out what the service does not use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from contributor_client import work_lane
from coordinator import superlink
from ratatouille.processes.child import service

SERVICE = """
import gc, sys
from slow import Unused
from slow_too import LOADED

def main():
    assert gc.isenabled() and gc.get_freeze_count() > 1000
    assert sys.argv == ["served", "--port", "-m"], sys.argv
    assert not hasattr(sys.modules["slow"], "__file__")
    assert Unused(3).number == 3
    assert sys.modules["slow"].LOADED
    assert LOADED
    print("served")
"""
SLOW = """
LOADED = True

class Unused:
    def __init__(self, number):
        self.number = number
"""
LOADED = """
import {module}
import sys

def main():
    print(*sorted({{"sqlalchemy", "alembic", "torch"}} & sys.modules.keys()))
"""


def launched(folder: Path, command: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_service_gets_its_arguments_and_a_class_that_was_postponed_when_it_calls_it(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(SERVICE)
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "slow_too.py").write_text(SLOW)
    assert launched(tmp_path, [*service("served", ["slow:Unused", "slow_too:Unused"]), "--port", "-m"]) == "served\n"


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        ("contributor_client.flower_supernode", work_lane.UNUSED),
        ("coordinator.executor, coordinator.rounds", superlink.UNUSED),
    ],
)
def test_supernode_and_executor_import_no_database(module: str, unused: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "loaded.py").write_text(LOADED.format(module=module))
    assert launched(tmp_path, service("loaded", unused)) == "\n"
