"""One command for two questions: which options belong to which, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ratatouille.cli.call import call
from tests.ratatouille.cli.call import home as home


def test_without_task_and_data_it_says_what_it_can_rank() -> None:
    call("best").refused("--task TASK", "--data FOLDER")


@pytest.mark.parametrize("words", [["--domain", "x"], ["--slice", "new"], ["--trial", 1], ["--limit", 3], ["-n", 3]])
def test_what_only_the_registry_can_rank_by_is_refused_with_a_folder(tmp_path: Path, words: list[object]) -> None:
    call("best", "--data", tmp_path, *words).refused(str(words[0]).replace("-n", "--limit"), "with --data")


@pytest.mark.parametrize(
    "words",
    [
        ["--last", 3],
        ["--map", "a=b"],
        ["--head", "own"],
        ["--group", "file"],
        ["--image-size", 32],
        ["--device", "cpu"],
    ],
)
def test_what_is_about_ones_own_images_is_refused_without_them(words: list[object]) -> None:
    call("best", "--task", "pets", *words).refused(str(words[0]), "--data")


def test_the_rest_of_the_images_is_a_split_of_ones_own_only() -> None:
    call("best", "--task", "pets", "--split", "rest").refused("--split rest")
