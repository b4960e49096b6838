"""On Windows a reader's commands work over an address, and the others say in a sentence what they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ratatouille.cli.table import COMMANDS
from tests import windows
from tests.ratatouille.cli.call import Called, call
from tests.ratatouille.cli.call import home as home
from tests.registry.conftest import Process
from tests.test_roles import history as history


def _on_windows(home: Path, *commands: Sequence[object]) -> list[Called]:
    """Commands as on Windows, one after the other in one process."""
    words = json.dumps([list(map(str, one)) for one in commands])
    environment = {**os.environ, "RATATOUILLE_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-P", windows.__file__, words], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [Called(*one) for one in json.loads(done.stdout)]


def test_a_reader_on_windows_asks_a_registry_at_an_address(history: Process, home: Path, tmp_path: Path) -> None:
    read = ("log", "show latest", "lineage latest", "diff latest latest~1", "verify latest", "task list", "round list")
    asked = [(*words.split(), "--remote", history.url) for words in read]
    pulled = ("pull", "latest", tmp_path / "pets", "--parts", "--remote", history.url)
    (tmp_path / "pets").mkdir()  # it may be there and empty
    for one in _on_windows(home, *asked, pulled, ("verify", tmp_path / "pets")):
        assert (one.code, one.err) == (0, ""), one
    assert len(list((home / "cache" / "blobs").glob("*/*"))) == 2
    assert call("verify", tmp_path / "pets", "--json").json[0]["ok"] is True


def test_what_needs_posix_says_so_in_one_sentence_on_windows(history: Process, home: Path) -> None:
    marked = [row.path for row in COMMANDS if row.posix]
    assert ("node", "join") in marked
    assert ("coordinator", "up") in marked
    for one in _on_windows(home, *marked, ("log", "--remote", history.folder)):
        one.refused("needs Linux or macOS", "under WSL 2", "--remote HOST:PORT")
    assert not home.exists()


def test_every_other_command_is_imported_on_windows(home: Path) -> None:
    others = [(*row.path, "--help") for row in COMMANDS if not row.posix]
    for row, one in zip(others, _on_windows(home, *others), strict=True):
        assert (one.code, one.err) == (0, ""), row
