"""Folders of one's own become data under any names."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.tasks.own import look_at
from ratatouille.tasks.synthetic import synthetic_tasks, write_synthetic
from ratatouille.tasks.task import Task


@pytest.fixture
def shapes() -> Task:
    return synthetic_tasks()["shapes"]


def test_domains_keep_the_names_of_the_folder_whatever_signs_they_have(tmp_path: Path, shapes: Task) -> None:
    write_synthetic("shapes", tmp_path, each=3)
    (tmp_path / "night").rename(tmp_path / "Küche, nachts")
    folder = look_at(tmp_path, {})
    assert (folder.classes, folder.domains) == (shapes.classes, ("Küche, nachts", "day", "sketch"))
    own = folder.open(shapes)
    assert sorted(own.names.values()) == ["Küche, nachts", "day", "sketch"]
    night = next(inner for inner, name in own.names.items() if name.startswith("Küche"))
    assert len(own.data.examples(night)) == 9
    assert len(own.paths) == len(own.data) == 27


def test_splits_are_those_of_the_task_so_a_nodes_validation_images_stay_apart(tmp_path: Path, shapes: Task) -> None:
    write_synthetic("shapes", tmp_path / "images", each=8, styles=("day",))
    own = look_at(tmp_path / "images" / "day", {}, group="stem").open(shapes)
    sides = {own.data.groups[index]: side for index, side in enumerate(own.data.splits())}
    assert set(sides.values()) == {"train", "validation"}
    other = look_at(tmp_path / "images", {}, group="stem").open(shapes)
    assert sides == {other.data.groups[index]: side for index, side in enumerate(other.data.splits())}


def test_labels_are_mapped_left_out_and_joined(tmp_path: Path, shapes: Task) -> None:
    write_synthetic("shapes", tmp_path, each=2, styles=("day",))
    folder = look_at(tmp_path, {"disc": "round", "square": "angular", "triangle": "angular"})
    assert folder.classes == ("angular", "round")
    assert folder.foreign(shapes) == ["angular", "round"]
    assert sorted(folder.open(None).data.labels.tolist()) == [0, 0, 0, 0, 1, 1]
    assert look_at(tmp_path, {"disc": "-"}).foreign(shapes) == []


def test_a_folder_that_cannot_name_a_class_is_refused(tmp_path: Path) -> None:
    write_synthetic("shapes", tmp_path, each=1, styles=("day",))
    with pytest.raises(Refusal, match="label that is no class"):
        look_at(tmp_path, {"disc": " round"}).open(None)
    with pytest.raises(Refusal, match="one class only, 'thing'"):
        look_at(tmp_path, dict.fromkeys(("disc", "square", "triangle"), "thing")).open(None)
