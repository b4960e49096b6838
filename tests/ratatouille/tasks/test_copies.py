from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings, SplitRule, Task
from ratatouille.tasks.data import LocalData, open_data

Draw = Callable[[Path, int], Path]
HALVES = SplitRule(train=0.5, validation=0.5)
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "épagneul") for form in ("NFC", "NFD"))


@pytest.fixture
def second(pets: Task) -> Task:
    """The task under split rule 2."""
    return pets.model_copy(update={"split": HALVES.model_copy(update={"rule": 2})})


@pytest.fixture
def first(pets: Task) -> Task:
    """The task under split rule 1."""
    return pets.model_copy(update={"split": HALVES})


def opened(task: Task, path: Path, **settings: str) -> LocalData:
    return open_data(task, DataSettings.model_validate({"path": path, **settings}))


def copied_often(tree: Path, times: int = 12) -> None:
    """Every cat's photo so many times, under other names."""
    for number in range(times):
        shutil.copy(tree / "photo/cat/cat0.png", tree / f"photo/cat/copy{number}.png")


def test_a_rule_of_splits_that_is_the_first_leaves_no_trace_in_a_record() -> None:
    assert HALVES.to_json() == b'{"test":0.0,"train":0.5,"validation":0.5}'
    assert HALVES.model_copy(update={"rule": 2}).to_json() == b'{"rule":2,"test":0.0,"train":0.5,"validation":0.5}'


def test_copies_of_an_image_are_on_one_side_under_rule_2_and_are_noted_under_rule_1(
    first: Task, second: Task, tree: Path
) -> None:
    copied_often(tree)
    torn, whole = opened(first, tree), opened(second, tree)
    digest = torn.digests[torn.groups.index("photo/cat/cat0.png")]

    def sides(data: LocalData, trial: int) -> set[str]:
        return {side for side, one in zip(data.splits(trial), data.digests, strict=True) if one == digest}

    assert sides(torn, 0) == {"train", "validation"}
    assert any("copies of 1 image lie on both sides" in note for note in torn.notes)
    assert all(len(sides(whole, trial)) == 1 for trial in range(20))
    assert whole.notes == ()


def test_copies_join_the_groups_that_they_are_in(second: Task, tree: Path, draw: Draw) -> None:
    for number in range(20):
        draw(tree / f"photo/cat/p{number:02}_a.png", 100 + number)
        shutil.copy(tree / f"photo/cat/p{number:02}_a.png", tree / f"photo/cat/p{(number + 1):02}_b.png")
    data = opened(second, tree, group=r"/([a-z]+\d+)[_.]")
    patients = {group for group in data.groups if group.startswith("p")}
    assert patients == {"p00"}


def test_the_split_does_not_depend_on_file_names_where_each_image_is_alone(
    second: Task, tree: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tree, tmp_path / "other"))
    for path in list(other.rglob("*.png")):
        path.rename(path.with_name(f"renamed-{path.name}"))
    assert opened(second, other).holding == opened(second, tree).holding


def test_the_split_does_not_depend_on_the_unicode_form_of_file_names(
    first: Task, second: Task, tree: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tree, tmp_path / "other"))
    for root, form in ((tree, COMPOSED), (other, DECOMPOSED)):
        for path in list(root.rglob("*.png")):
            path.rename(path.with_name(f"{form}-{path.name}"))
    assert opened(first, tree, group="stem").holding != opened(first, other, group="stem").holding
    assert opened(second, tree, group="stem").holding == opened(second, other, group="stem").holding


def test_one_image_under_two_labels_is_refused_by_name_or_left_out(second: Task, tree: Path) -> None:
    shutil.copy(tree / "photo/cat/cat0.png", tree / "sketch/dog/wrong.png")
    with pytest.raises(Refusal, match=r"two labels: '.*cat0.png' is 'cat' and '.*wrong.png' is 'dog'; correct them"):
        opened(second, tree)
    data = opened(second, tree, contradictions="drop")
    assert len(data) == 13 - 2
    assert any(note.startswith("left out 2 images that are copies under different labels") for note in data.notes)


def test_older_tasks_keep_contradictory_images_and_their_holding_and_say_so(first: Task, tree: Path) -> None:
    shutil.copy(tree / "photo/cat/cat0.png", tree / "sketch/dog/wrong.png")
    data = opened(first, tree)
    assert len(data) == 13
    assert any(note.startswith("2 images have a copy with another label") for note in data.notes)


def test_data_of_which_every_image_is_contradictory_is_refused(second: Task, tree: Path) -> None:
    for domain in ("photo", "sketch"):
        shutil.rmtree(tree / domain / "dog")
        shutil.copytree(tree / domain / "cat", tree / domain / "dog")
    with pytest.raises(Refusal, match=r"every image of .* has a copy under another label"):
        opened(second, tree, contradictions="drop")


def test_copies_with_different_stated_splits_are_refused(second: Task, tree: Path) -> None:
    shutil.copy(tree / "photo/cat/cat0.png", tree / "photo/cat/copy.png")
    lines = [
        f"{path.relative_to(tree)},{path.parent.name},photo,{'test' if path.stem == 'copy' else 'train'}"
        for path in tree.rglob("photo/*/*.png")
    ]
    (tree / "list.csv").write_text("file_name,label,domain,split\n" + "\n".join(lines))
    with pytest.raises(Refusal, match="must lie on one side"):
        opened(second, tree / "list.csv")


def test_labels_are_compared_in_one_form_of_unicode(tree: Path) -> None:
    task = Task(name="pets", kind="target", classes=(COMPOSED, "dog"), domains=("photo", "sketch"))
    for domain in ("photo", "sketch"):
        (tree / domain / "cat").rename(tree / domain / DECOMPOSED)
    assert sum(opened(task, tree).labels == 0) == 6
    mapped = DataSettings.model_validate({"path": tree, "labels": {COMPOSED: "dog", "dog": DECOMPOSED}})
    assert sum(open_data(task, mapped).labels == 1) == 6


def test_two_classes_that_look_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="two forms of Unicode"):
        Task(name="pets", kind="target", classes=(COMPOSED, DECOMPOSED), domains=("photo",))
