from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks import SplitRule, Task, load_task

GOOD = """
name = "pets"
kind = "target"
classes = ["cat", "dog"]
domains = ["photo", "sketch"]
metric = "balanced_accuracy"

[split]
train = 0.7
validation = 0.2
test = 0.1
"""


def test_a_task_file_becomes_a_task(tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    path.write_text(GOOD)
    task = load_task(path)
    assert task.classes == ("cat", "dog")
    assert task.metric == "balanced_accuracy"
    assert task.class_weights == "none"
    assert task.split == SplitRule(train=0.7, validation=0.2, test=0.1)
    assert Task.from_json(task.to_json()) == task


def test_the_digest_of_a_task_is_known(pets: Task) -> None:
    assert pets.digest == "5318eaf44efac8c6a87fa2ab6789df9027f08dbc58a5e2b5a2b29e108d240b01"


def test_the_order_of_classes_is_part_of_the_task(pets: Task) -> None:
    assert pets.model_copy(update={"classes": ("dog", "cat")}).digest != pets.digest


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "pets"', 'name = "../pets"', "name: string should match pattern"),
        ('name = "pets"', "name = ", "is not valid TOML: Invalid value (at line 2"),
        ('kind = "target"', 'kind = "main"', "kind: input should be 'auxiliary' or 'target'"),
        ('kind = "target"', "", "the key 'kind' is missing"),
        ('"cat", "dog"', '"cat", "dog", "cat"', "classes: 'cat' is listed twice"),
        ('"cat", "dog"', '"cat"', "classes: tuple should have at least 2 items"),
        ('"cat", "dog"', '"cat", " "', "classes.1: string should match pattern"),
        ('"photo", "sketch"', '"photo", "photo"', "domains: 'photo' is listed twice"),
        ('"photo", "sketch"', "", "domains: tuple should have at least 1 item"),
        ("metric =", "metrics =", "it has no key 'metrics'; did you mean 'metric'?"),
        ("metric =", "x =", "it has no key 'x'; the keys are name, kind, classes"),
        ("train = 0.7", "train = 0.8", "split: train, validation and test must add to 1"),
        ("test = 0.1", "tests = 0.1", "it has no key 'split.tests'; did you mean 'test'?"),
        ("train = 0.7", "train = nan", "split.train: input should be"),
    ],
)
def test_a_mistake_in_a_task_file_is_named(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = tmp_path / "task.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(Refusal) as refusal:
        load_task(path)
    assert sentence in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_task_file_that_is_missing_a_folder_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"there is no task file .*; `ratatouille init task` writes one"):
        load_task(tmp_path / "task.toml")
    with pytest.raises(Refusal, match="cannot be read: Is a directory"):
        load_task(tmp_path)
    (tmp_path / "task.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match="is not UTF-8"):
        load_task(tmp_path / "task.toml")
