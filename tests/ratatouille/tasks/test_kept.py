"""Copies of private images: who may read them, and when they go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ratatouille.record import sha256
from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.kept import OWN_DATA, forget_old, forget_others, forget_unfinished, kept_in, make_own
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.task import Task

Draw = Callable[[Path, int], Path]


def opened(task: Task, path: Path, cache: Path, image_cache: bool = True) -> LocalData:
    return open_data(task, DataSettings(path=path), cache, image_cache=image_cache)


def modes(folder: Path) -> set[str]:
    """Kind and mode of a folder and everything in it."""
    return {f"{'d' if path.is_dir() else 'f'}{path.stat().st_mode & 0o777:o}" for path in (folder, *folder.rglob("*"))}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_copies_are_their_owners_alone_whatever_the_umask(pets: Task, tree: Path, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        opened(pets, tree, tmp_path / "node" / "data").images(8)
    finally:
        os.umask(before)
    assert modes(tmp_path / "node") == {"d700", "f600"}
    assert len(kept_in(tmp_path / "node")) == 2


def test_copies_that_an_earlier_release_left_open_are_closed(tmp_path: Path) -> None:
    node = tmp_path / "node"
    for name in (
        f"data/images/{'a' * 32}-8.npy",
        "data/inspected.json",
        f"work/features/{'b' * 32}.npy",
        "key",
        "logs/worker.log",
    ):
        (node / name).parent.mkdir(parents=True, exist_ok=True)
        (node / name).write_text("x")
        (node / name).chmod(0o644)
    make_own(node)
    assert modes(node) == {"d700", "f600"}


def test_files_of_the_owner_in_the_same_folder_are_never_touched(tmp_path: Path) -> None:
    for name in ("data/images/cat-1.npy", "images/cat-1.png", "data/cat/a.png", "work/results/thesis.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
        (tmp_path / name).chmod(0o644)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{'a' * 32}-8.npy").write_text("mine")
    (tmp_path / "work" / "features").symlink_to(tmp_path / "elsewhere")
    make_own(tmp_path)
    assert forget_others(tmp_path / "data", tmp_path / "work" / "features", [], [], []) == []
    assert forget_old(tmp_path, most_bytes=0, seconds=0) == forget_old(tmp_path, OWN_DATA, 0, 0) == []
    assert kept_in(tmp_path) == kept_in(tmp_path, OWN_DATA) == []
    mine = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(mine) == 5
    assert (tmp_path / "data" / "cat" / "a.png").stat().st_mode & 0o777 == 0o644


def test_without_an_image_cache_no_copy_is_written_and_the_pixels_are_the_same(
    pets: Task, tree: Path, tmp_path: Path
) -> None:
    data = opened(pets, tree, tmp_path / "none", image_cache=False)
    pixels = data.images(8)
    assert (pixels == opened(pets, tree, tmp_path / "some").images(8)).all()
    assert [one.what for one in kept_in(tmp_path / "none", OWN_DATA)] == ["paths and hashes of images"]
    assert data.images(8) is pixels
    data.release()
    assert data.images(8) is not pixels
    assert data.images(4).shape[1:] == (4, 4, 3)


def test_copies_go_with_the_data_that_is_no_longer_offered(pets: Task, tree: Path, tmp_path: Path, draw: Draw) -> None:
    other = tmp_path / "other"
    for number, name in enumerate(("cat/a", "cat/b", "dog/c")):
        draw(other / "photo" / f"{name}.png", 90 + number)
    cache, features = tmp_path / "data", tmp_path / "work" / "features"
    stays, goes = opened(pets, tree, cache), opened(pets, other, cache)
    for data in (stays, goes):
        data.images(8)
        data.images(4)
        features.mkdir(parents=True, exist_ok=True)
        np.save(features / f"{data.holding.fingerprint[:32]}-{sha256(b'x')[:32]}.npy", np.zeros(3))
    (cache / "images" / f"{sha256(b'of 0.1.0')[:32]}-8.npy").write_text("named as release 0.1.0 did")
    removed = forget_others(cache, features, [stays.digests], [stays.holding.fingerprint], [tree])
    assert len(removed) == 4
    assert len(list((cache / "images").iterdir())) == 2
    assert len(list(features.iterdir())) == 1
    assert str(other) not in (cache / "inspected.json").read_text()
    assert str(tree) in (cache / "inspected.json").read_text()
    assert forget_others(cache, features, [stays.digests], [stays.holding.fingerprint], [tree]) == []


def test_what_nobody_used_for_long_goes_and_then_what_is_too_much(tmp_path: Path) -> None:
    for age, name in ((100, "1"), (3, "2"), (2, "3"), (1, "4")):
        path = tmp_path / "images" / f"{'a' * 32}-{name}.npy"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 100)
        then = time.time() - age
        os.utime(path, (then, then))

    def left() -> str:
        return "".join(sorted(path.stem[-1] for path in (tmp_path / "images").iterdir()))

    for most_bytes, names in ((1000, "234"), (250, "34"), (10, "4")):
        forget_old(tmp_path, OWN_DATA, most_bytes, seconds=50)
        assert left() == names


def test_using_copies_keeps_them_from_growing_old(pets: Task, tree: Path, tmp_path: Path) -> None:
    opened(pets, tree, tmp_path).images(8)
    (stored,) = (tmp_path / "images").iterdir()
    os.utime(stored, (1.0, 1.0))
    opened(pets, tree, tmp_path).images(8)
    assert forget_old(tmp_path, OWN_DATA) == []


def test_work_that_nobody_went_on_with_is_forgotten_and_that_of_the_last_day_stays(tmp_path: Path) -> None:
    day, work = 24 * 3600, tmp_path / "work"
    ages = {"a": 31.0, "b": 3.0, "c": 2.0, "d": 0.5}
    for name, days in ages.items():
        for path in (work / "checkpoints" / f"{name * 64}.checkpoint", work / "results" / (name * 64) / "head"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(1000))
            for aged in (path, path.parent):
                os.utime(aged, (time.time() - days * day,) * 2)
    (work / "results" / "notes").write_text("the owner's own")

    def left() -> set[str]:
        return {one.name[0] for place in ("checkpoints", "results") for one in (work / place).iterdir()} - {"n"}

    forget_unfinished(tmp_path)
    assert left() == {"b", "c", "d"}
    forget_unfinished(tmp_path, most_bytes=0)
    assert left() == {"d"}
    assert (work / "results" / "notes").exists()
