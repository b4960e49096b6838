"""What the pages for readers and maintainers say is so: their commands are run, their tables are complete."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from pathlib import Path
from typing import get_args

import pytest

from ratatouille.home import home as home_folder
from registry.records import Stage
from tests.docs.pages import ROOT, blocks, text_of
from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home
from tests.registry.commands.conftest import make_history, make_world

READING = "docs/reading-history.md"
HERE = {"leaves-1": "spring", "leaves": "pets", "phone": "sketch"}
"""What the page's names are called in the tests' history."""


def questions() -> list[str]:
    """The commands of the page that ask a registry; those on one's own images need a network."""
    lines = [line for block in blocks("sh") if block.page == READING for line in block.text.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if "--data" not in line]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with everything that the page asks about."""
    folder = tmp_path_factory.mktemp("history")
    world = make_world(folder)
    made = make_history(world)
    world.offer(name="anna")
    for name in ("first", "average"):
        world.maintainer.release(made[name], "stable")
    world.registry.close()
    return folder / "registry"


@pytest.mark.parametrize("line", questions())
def test_every_question_of_the_page_gets_an_answer(line: str, history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATATOUILLE_REMOTE", str(history))
    home_folder().mkdir(parents=True, exist_ok=True)
    shutil.copy(history.parent / "node.key", home_folder() / "key")  # who asks for `--mine` has contributed
    for word, other in HERE.items():
        line = line.replace(word, other)
    said = call(*shlex.split(line.replace("2026-03-01", time.strftime("%Y-%m-%d", time.gmtime())))[1:])
    assert said.code == 0, said
    assert said.out


def test_the_page_asks_with_every_command_that_reads() -> None:
    asked = {line.split()[1] for line in questions()}
    assert asked == {"release", "show", "tag", "log", "lineage", "diff", "best", "verify"}


def test_the_table_of_stages_is_that_of_the_code() -> None:
    table = text_of(ROOT / "docs" / "maintaining.md").partition("| stage | what is checked |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) == get_args(Stage)
