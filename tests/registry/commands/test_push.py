"""`ratatouille push` through the real command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ratatouille.cli.call import call
from tests.registry.checkpoint import saved
from tests.registry.world import World, featurizer, head

NAMES = {"label_names": ["dog", "cat"]}


def test_push_shows_what_it_pushes_and_enters_it_once(history: dict[str, str], tmp_path: Path) -> None:
    words = ("push", saved(tmp_path, featurizer(7), head(7), NAMES), "--task", "pets", "--from", "latest", "-m", "home")
    first = call(*words)
    assert first.code == 0, first.err
    shown = {line.split()[0]: line.split()[1:] for line in first.out.splitlines()}
    assert (shown["from"], shown["classifier"], shown["permuted"]) == ([history["average"]], ["fc"], ["yes"])
    assert first.out.splitlines()[-1].endswith("is entered")
    assert "was entered before" in call(*words).out
    (entry,) = call("log", "--kind", "import", "-n", 1, "--json").json["versions"]
    assert (entry["message"], entry["task_name"]) == ("home", "pets")


def test_a_dry_run_pushes_nothing_and_the_document_says_all(history: dict[str, str], tmp_path: Path) -> None:
    words = ("push", saved(tmp_path, featurizer(7), head(7)), "--task", "pets", "--from", "latest", "--json")
    before = call("log", "--json").json
    planned = call(*words, "--dry-run").json
    assert call("log", "--json").json == before
    pushed = call(*words).json
    assert {key: pushed[key] for key in planned} == planned
    assert pushed["new"] is True
    assert call("show", pushed["version"], "--json").json["entry"]["version"]["head"] == planned["head"]
    assert planned["notes"] == [
        "the checkpoint does not say how its images were made; they are taken to be the federation's",
        "the checkpoint does not name its outputs; they are taken to be in the task's order: cat, dog",
        "the checkpoint's network was not run beside ours, since this timm does not know tiny",
    ]
    assert call(*words).json["new"] is False


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--task", "pets", "--from", "winter"), "no alias or tag 'winter'"),
        (("--task", "cars", "--from", "latest"), "task cars is not known"),
        (("--from", "latest"), "say with --task of which task"),
    ],
)
def test_what_cannot_be_pushed_is_refused_before_anything_is_shown(
    history: dict[str, str], tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    call("push", saved(tmp_path, featurizer(7), head(7)), *words).refused(sentence)


def test_what_the_registry_refuses_is_said_with_the_remedy(world: World, tmp_path: Path) -> None:
    start = world.probed()
    moved = featurizer(7) | {"bn.running_mean": np.array([1, 2, 4], np.float32)}
    called = call("push", saved(tmp_path, moved, head(7)), "--task", "pets", "--from", start.version)
    assert called.code == 2
    assert "train with BatchNorm in eval mode" in called.err
