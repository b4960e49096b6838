from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from ratatouille.cli.table import COMMANDS, Command
from tests.ratatouille.cli.call import call, loaded_by, modules_after

HEAVY = ("torch", "flwr", "sqlalchemy", "alembic", "timm", "PIL", "matplotlib")
BY_PATH = {" ".join(row.path): row for row in COMMANDS}


@pytest.fixture(params=BY_PATH, name="row")
def a_row(request: pytest.FixtureRequest) -> Command:
    return BY_PATH[request.param]


def test_every_path_occurs_once() -> None:
    assert len(BY_PATH) == len(COMMANDS)


def test_every_row_names_a_function_whose_docstring_begins_with_its_summary(row: Command) -> None:
    module, _, name = row.where.partition(":")
    function = getattr(importlib.import_module(module), name)
    assert (inspect.getdoc(function) or "").splitlines()[0] == row.summary


def test_the_help_of_every_command_says_its_summary_and_shows_its_example(row: Command) -> None:
    called = call(*row.path, "--help")
    words = " ".join(called.out.split())
    assert called.code == 0
    assert row.summary in words
    assert f"Example: {row.example}" in words


def test_every_example_begins_with_the_path_of_its_command(row: Command) -> None:
    assert row.example.split()[: 1 + len(row.path)] == ["ratatouille", *row.path]


@pytest.mark.parametrize("group", sorted({row.path[0] for row in COMMANDS if len(row.path) > 1}))
def test_the_help_of_a_group_lists_its_commands(group: str) -> None:
    called = call(group, "--help")
    assert called.code == 0
    shown = [line.strip() for line in called.out.splitlines()]
    for row in COMMANDS:
        listed = any(line.startswith(" ".join(row.path) + " ") for line in shown)
        assert listed == (row.path[0] == group)


def test_an_unknown_command_or_option_is_refused_with_code_2() -> None:
    for words in (["lgo"], ["remote", "ad"], ["log", "--tsak", "x"], ["log", "--limit", "few"], ["show"]):
        called = call(*words)
        assert called.code == 2
        assert "Error" in called.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["lgo"], "log"),
        (["relase", "v1"], "release"),
        (["node", "jion"], "node join"),
        (["join"], "node join"),
        (["cordinator", "up"], "coordinator"),
        (["config", "naem"], "config name"),
    ],
)
def test_a_misspelt_command_is_refused_with_the_one_that_was_meant(words: list[str], meant: str) -> None:
    called = call(*words)
    assert called.code == 2
    assert f"did you mean '{meant}'?" in called.err
    assert "did you mean" not in call("xyzzy").err


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "ratatouille", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("ratatouille ")


def test_help_imports_nothing_heavy_and_no_room() -> None:
    loaded = loaded_by(["--help"])
    assert not loaded & {*HEAVY, "coordinator", "contributor_client", "registry", "grpc", "numpy"}


def test_loading_every_command_imports_nothing_heavy() -> None:
    # Commands are loaded to show their own help; what a command needs is imported when it runs.
    script = "from ratatouille.cli.main import load, COMMANDS; [load(row) for row in COMMANDS]"
    assert not modules_after(script) & set(HEAVY)
