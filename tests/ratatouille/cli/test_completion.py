"""The Tab key: what a shell is told, and that it is told quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ratatouille.cli.main import group
from tests.ratatouille.cli.call import modules_after

HEAVY = {"numpy", "torch", "sqlalchemy", "grpc", "flwr"}


def completed(line: str) -> list[str]:
    """What bash is told at the end of a line."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_RATATOUILLE_COMPLETE": "complete_bash"}
    script = Path(sys.executable).with_name("ratatouille")
    done = subprocess.run([script], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ratatouille ro", {"round"}),
        ("ratatouille round re", {"report"}),
        ("ratatouille round export --ml", {"--mlflow"}),
        ("ratatouille --install", {"--install-completion"}),
    ],
)
def test_commands_and_options_are_completed(line: str, words: set[str]) -> None:
    assert set(completed(line)) == words


def test_a_command_comes_with_its_summary_and_a_group_with_none() -> None:
    top = group()
    found = {one.value: one.help for one in top.shell_complete(click.Context(top), "r")}
    assert found["retract"] == "Take a version back, and make its averages again without it."
    assert found["round"] is None


def test_completion_of_commands_imports_nothing_heavy() -> None:
    loaded = modules_after(
        "import click; from ratatouille.cli.main import group; top = group(); "
        "assert top.shell_complete(click.Context(top), '')"
    )
    assert not HEAVY & loaded
