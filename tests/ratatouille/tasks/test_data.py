import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ratatouille.errors import Refusal
from ratatouille.tasks import DataSettings, SplitRule, Task
from ratatouille.tasks.data import LocalData, open_data

Draw = Callable[[Path, int], Path]


def opened(task: Task, path: Path, cache: Path | None = None, **settings: Any) -> LocalData:
    return open_data(task, DataSettings(path=path, **settings), cache)


def test_a_folder_becomes_sorted_arrays_and_counts(pets: Task, tree: Path) -> None:
    data = opened(pets, tree)
    assert len(data) == 12
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert data.labels.dtype == np.int64
    assert data.domains == ("photo",) * 6 + ("sketch",) * 6
    assert data.groups[0] == "photo/cat/cat0.png"
    assert data.holding.total() == 12
    assert data.holding.task == pets.digest
    assert data.notes == ()


def test_a_manifest_of_the_same_images_is_the_same_holding(pets: Task, tree: Path) -> None:
    lines = [f"{path.relative_to(tree)},{path.parent.name},{path.parent.parent.name}" for path in tree.rglob("*.png")]
    (tree / "list.csv").write_text("file_name,label,domain\n" + "\n".join(lines))
    assert opened(pets, tree / "list.csv").holding == opened(pets, tree).holding


def test_a_replica_elsewhere_has_the_same_fingerprint_and_order(pets: Task, tree: Path, tmp_path: Path) -> None:
    first = opened(pets, tree)
    second = opened(pets, Path(shutil.copytree(tree, tmp_path / "elsewhere" / "animals")))
    assert second.holding == first.holding
    assert second.digests == first.digests
    assert (second.images(8) == first.images(8)).all()


def test_a_changed_image_or_a_stated_split_changes_the_fingerprint(pets: Task, tree: Path, draw: Draw) -> None:
    lines = "".join(f"photo/{name}/{name}{n}.png,{name},photo,\n" for name in ("cat", "dog") for n in range(3))
    (tree / "list.csv").write_text("file_name,label,domain,split\n" + lines)
    first = opened(pets, tree / "list.csv").holding
    (tree / "list.csv").write_text("file_name,label,domain,split\n" + lines.replace("photo,\n", "photo,test\n", 1))
    second = opened(pets, tree / "list.csv").holding
    draw(tree / "photo/cat/cat1.png", 99)
    third = opened(pets, tree / "list.csv").holding
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3
    assert second.counts["photo"]["test"] == (1, 0)


def test_adding_examples_moves_nobody_to_another_split(pets: Task, tree: Path, draw: Draw) -> None:
    before = opened(pets, tree)
    sides = dict(zip(before.groups, before.splits(), strict=True))
    for number in range(30):
        draw(tree / "photo" / "cat" / f"a{number}.png", 100 + number)
    after = opened(pets, tree)
    assert sides.items() <= dict(zip(after.groups, after.splits(), strict=True)).items()


def test_examples_are_chosen_by_domain_split_trial_and_slice(pets: Task, tree: Path) -> None:
    task = pets.model_copy(update={"split": SplitRule(train=0.5, validation=0.5)})
    data = opened(task, tree, group="stem")
    assert data.examples("sketch").tolist() == [6, 7, 8, 9, 10, 11]
    train, validation = data.examples("sketch", "train"), data.examples("sketch", "validation")
    assert sorted([*train, *validation]) == [6, 7, 8, 9, 10, 11]
    assert data.examples("sketch", slice="seen").tolist() == train.tolist()
    assert data.examples("sketch", slice="new").tolist() == validation.tolist()
    seen_in_training = {data.groups[index] for index in data.examples("photo", "train")}
    assert {data.groups[index] for index in train} == seen_in_training
    assert any(data.splits(trial) != data.splits() for trial in (1, 2, 3))
    assert data.examples(split="test").tolist() == []
    assert data.examples(split="test").dtype == np.int64
    with pytest.raises(Refusal, match="'oil' is no domain of task 'pets'"):
        data.examples("oil")


def test_counts_of_the_holding_are_those_of_the_examples(pets: Task, tree: Path) -> None:
    data = opened(pets, tree)
    for domain, splits in data.holding.counts.items():
        for side, row in splits.items():
            found = np.bincount(data.labels[data.examples(domain, side)], minlength=2)
            assert tuple(found) == row


def test_images_are_decoded_once_and_mapped_from_the_cache(pets: Task, tree: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    data = opened(pets, tree, tmp_path / "cache")
    first = data.images(8, lambda done, total: calls.append((done, total)))
    assert calls == [(number, 12) for number in range(1, 13)]
    second = data.images(8, lambda done, total: calls.append((done, total)))
    assert len(calls) == 12
    assert isinstance(second, np.memmap)
    assert first.shape == (12, 8, 8, 3)
    assert (first == second).all()
    assert (first == opened(pets, tree).images(8)).all()
    with Image.open(data.listing[3].path) as image:
        assert (first[3] == np.asarray(image.resize((8, 8), Image.Resampling.BICUBIC))).all()
    assert data.images(4).shape == (12, 4, 4, 3)


def test_a_damaged_cache_is_made_anew(pets: Task, tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    data = opened(pets, tree, cache)
    expected = data.images(8).copy()
    (stored,) = (cache / "images").iterdir()
    stored.write_bytes(stored.read_bytes()[:100])
    (cache / "inspected.json").write_text("{")
    again = opened(pets, tree, cache)
    assert again.holding == data.holding
    assert (again.images(8) == expected).all()


def test_the_cache_notices_a_changed_file(pets: Task, tree: Path, tmp_path: Path, draw: Draw) -> None:
    cache = tmp_path / "cache"
    before = opened(pets, tree, cache).holding
    path = draw(tree / "photo" / "cat" / "cat0.png", 50)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    after = opened(pets, tree, cache)
    assert after.holding.fingerprint != before.fingerprint
    draw(path, 51)
    with pytest.raises(Refusal, match="changed since the data was opened"):
        after.images(8)


def test_a_cache_that_cannot_be_written_is_refused(pets: Task, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(Refusal, match=r"cannot be written: .*; free some space or name another folder"):
        opened(pets, tree, tmp_path / "cache")


def test_a_corrupt_image_is_named_or_skipped(pets: Task, tree: Path, tmp_path: Path) -> None:
    path = tree / "photo" / "dog" / "dog1.png"
    path.write_bytes(path.read_bytes()[:60])
    (tree / "photo" / "dog" / "dog2.png").write_text("hello")
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        with pytest.raises(Refusal, match=r"dog1.png' cannot be used: it is damaged .* \(1 more like it\); remove it"):
            opened(pets, tree, cache)
    data = opened(pets, tree, corrupt="skip")
    assert len(data) == 10
    assert data.notes[0].startswith("skipped 2 images that cannot be read: '")


def test_a_missing_class_is_refused_unless_allowed(pets: Task, tree: Path) -> None:
    shutil.rmtree(tree / "sketch" / "dog")
    with pytest.raises(Refusal, match=r"domain 'sketch' of .* has no image of 'dog'; add some, or set missing_classes"):
        opened(pets, tree)
    data = opened(pets, tree, missing_classes="allow")
    assert sum(row[1] for row in data.holding.counts["sketch"].values()) == 0


def test_formats_are_found_out_or_stated(pets: Task, tree: Path) -> None:
    with pytest.raises(Refusal, match='is a folder; for format = "manifest" set path to the CSV'):
        opened(pets, tree, format="manifest")
    with pytest.raises(Refusal, match="there is no folder"):
        opened(pets, tree / "list.csv", format="folder")
    with pytest.raises(Refusal, match="there is no manifest"):
        opened(pets, tree / "list.csv")


def test_data_of_which_nothing_is_left_is_refused(pets: Task, tree: Path) -> None:
    with pytest.raises(Refusal, match=r"no image of .* is left for task 'pets'"):
        opened(pets, tree, labels={"cat": "-", "dog": ""})
    for path in tree.rglob("*.png"):
        path.write_text("?")
    with pytest.raises(Refusal, match=r"no image of .* can be read"):
        opened(pets, tree, corrupt="skip")


def test_a_secret_keys_the_fingerprint(pets: Task, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef")
    secret = opened(pets, tree, fingerprint_secret_file=tmp_path / "secret").holding
    assert secret.fingerprint != opened(pets, tree).holding.fingerprint
