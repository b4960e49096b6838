from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-P", "-m", "ratatouille.cli.main"]


def run(*words: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own; `shell` follows it, such as a pipe."""
    script = f'"$@" {shell}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "bash", *COMMAND, *words],
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "0", **environment},
    )


@pytest.mark.parametrize("words", [["recipes"], ["recipes", "--json"], ["--help"], ["protocols", "--help"]])
def test_a_reader_who_left_ends_a_command_quietly_as_it_ends_other_programs(words: list[str]) -> None:
    done = run(*words, shell="| true")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("words", [["recipes"], ["recipes", "--json"], ["--help"], ["config", "--help"]])
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_is_no_error(words: list[str], closed: str) -> None:
    done = run(*words, shell=closed)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_refusal_to_nobody_is_still_a_refusal() -> None:
    assert run("show", "a", "b", shell=">&- 2>&-").returncode == 2
    assert run("show", "a", "b", shell="2>&1 | true").returncode in (2, 141)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_under_the_output_is_one_sentence() -> None:
    done = run("recipes", shell="> /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: a file cannot be used: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
@pytest.mark.parametrize("words", [["recipes"], ["--help"], ["protocols", "--help"], ["nonsense"]])
def test_no_encoding_of_the_output_is_an_error(words: list[str], encoding: str) -> None:
    done = run(*words, PYTHONIOENCODING=encoding)
    assert done.returncode == (2 if words == ["nonsense"] else 0)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(("encoding", "name"), [("ascii", "Zoe - S"), ("iso-8859-1", "Zo\u00eb - S")])
def test_signs_that_the_output_cannot_write_become_the_nearest_that_it_can(
    encoding: str, name: str, home: Path
) -> None:
    words = ["config", "name", "Zo\u00eb \u2013 \u0160"]
    said = run(*words, PYTHONIOENCODING=encoding).stdout.decode(encoding)
    assert said.startswith(f"the history calls you {name} from now on")
    document = run("config", "name", "--json", PYTHONIOENCODING=encoding).stdout
    assert json.loads(document.decode(encoding))["value"] == words[-1]


def test_a_locale_without_encoding_is_no_error() -> None:
    for locale in ("C", "POSIX", "nowhere"):
        environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": locale}
        done = subprocess.run([*COMMAND, "recipes"], capture_output=True, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
