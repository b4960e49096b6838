"""A node's images change while it runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ratatouille.tasks.data import LocalData, open_data
from ratatouille.tasks.holding import ImageLine
from ratatouille.tasks.inspection import Changes, DataChanged, changes
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.task import Task
from tests.events import events

Draw = Callable[[Path, int], Path]
Change = Callable[[Path, Draw], object]


def opened(task: Task, path: Path, cache: Path | None = None, **settings: object) -> LocalData:
    return open_data(task, DataSettings.model_validate({"path": path, **settings}), cache)


def restored(path: Path, change: Callable[[], object]) -> None:
    """Change a file and give it its old time back, as archives and copying programs do."""
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewrite(tree: Path, draw: Draw) -> None:
    """Other pixels in as many bytes."""
    path = tree / "photo" / "cat" / "cat0.png"
    data = path.read_bytes()
    other = bytearray(draw(tree / "spare" / "spare.png", 99).read_bytes())
    shutil.rmtree(tree / "spare")
    restored(path, lambda: path.write_bytes(bytes(other) + b"\x00" * max(0, len(data) - len(other))))


CHANGES: dict[str, tuple[Change, str]] = {
    "an image is added": (lambda tree, draw: draw(tree / "photo" / "cat" / "new.png", 50), "1 added"),
    "an image is removed": (lambda tree, draw: (tree / "photo" / "cat" / "cat0.png").unlink(), "1 removed"),
    "an image is relabelled": (
        lambda tree, draw: (tree / "photo" / "cat" / "cat0.png").rename(tree / "photo" / "dog" / "was-cat0.png"),
        "1 relabelled or moved",
    ),
    "two images change places": (
        lambda tree, draw: [
            (tree / "photo" / "cat" / "cat0.png").rename(tree / "swap.png"),
            (tree / "photo" / "dog" / "dog0.png").rename(tree / "photo" / "cat" / "cat0.png"),
            (tree / "swap.png").rename(tree / "photo" / "dog" / "dog0.png"),
        ],
        "2 relabelled or moved",
    ),
    "an image is written anew with its old time": (rewrite, "1 added, 1 removed"),
    "an image cannot be read": (
        lambda tree, draw: (tree / "photo" / "cat" / "cat0.png").write_bytes(b"x"),
        "cannot be used as they are now",
    ),
    "a class is gone": (lambda tree, draw: shutil.rmtree(tree / "photo" / "cat"), "cannot be used as they are now"),
    "all is gone": (lambda tree, draw: shutil.rmtree(tree), "cannot be used as they are now"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_images_is_noticed_at_the_next_look(
    name: str, pets: Task, tree: Path, tmp_path: Path, draw: Draw
) -> None:
    data = opened(pets, tree, tmp_path / "cache")
    data.images(8)
    assert data.current() is data
    change, words = CHANGES[name]
    change(tree, draw)
    for _ in range(2):
        with pytest.raises(DataChanged, match=words):
            data.current()


def test_a_manifest_that_names_another_label_is_noticed(pets: Task, tree: Path) -> None:
    manifest = tree / "list.csv"
    lines = [f"{path.relative_to(tree)},{path.parent.name},{path.parent.parent.name}" for path in tree.rglob("*.png")]
    manifest.write_text("\n".join(["file_name,label,domain", *lines]))
    data = opened(pets, manifest)
    assert data.current() is data
    text = manifest.read_text()
    manifest.write_text(text.replace("photo/cat/cat0.png,cat", "photo/cat/cat0.png,dog"))
    with pytest.raises(DataChanged, match="1 relabelled or moved"):
        data.current()
    manifest.write_text(text)
    assert data.current() is data


def test_an_image_in_a_folder_that_was_empty_is_noticed(pets: Task, tree: Path, draw: Draw) -> None:
    shutil.rmtree(tree / "sketch" / "dog")
    (tree / "sketch" / "dog").mkdir()
    data = opened(pets, tree, missing_classes="allow")
    draw(tree / "sketch" / "dog" / "first.png", 60)
    with pytest.raises(DataChanged, match="1 added"):
        data.current()


def test_what_changes_no_image_is_no_change(pets: Task, tree: Path, tmp_path: Path, draw: Draw) -> None:
    data = opened(pets, tree, tmp_path / "cache", corrupt="skip")
    (tree / "photo" / "cat" / ".DS_Store").write_text("x")
    (tree / "photo" / "cat" / "notes.txt").write_text("x")
    (tree / "photo" / "cat" / "cat0.png").touch()
    (tree / "photo" / "cat" / "cat1.png").chmod(0o600)
    assert data.current() is data


def test_a_file_that_was_renamed_in_its_group_is_read_under_its_new_name(pets: Task, tree: Path) -> None:
    data = opened(pets, tree, group=r"^(\w+/\w+)/")
    (tree / "photo" / "cat" / "cat0.png").rename(tree / "photo" / "cat" / "zebra.png")
    now = data.current()
    assert now.holding == data.holding
    assert (now.images(8) == opened(pets, tree, group=r"^(\w+/\w+)/").images(8)).all()


def test_a_look_at_images_that_did_not_change_opens_none_of_them(pets: Task, tree: Path) -> None:
    first = tree / "photo" / "cat" / "cat0.png"
    for number in range(20):
        os.link(first, tree / "photo" / "cat" / f"copy{number}.png")
    data = opened(pets, tree)
    with events("open") as opened_files:
        assert data.current() is data
    assert not [path for path, *_ in opened_files if str(path).startswith(str(tree))]
    (tree / "photo" / "cat" / "copy1.png").unlink()
    with events("open") as opened_files, pytest.raises(DataChanged):
        data.current()


def test_changes_are_told_apart_by_the_bytes_of_images() -> None:
    before = [ImageLine("photo", "cat", "g1", "", "a" * 64), ImageLine("photo", "cat", "g2", "", "b" * 64)]
    now = [ImageLine("photo", "dog", "g1", "", "a" * 64), ImageLine("photo", "cat", "g3", "", "c" * 64)]
    assert changes(before, now) == Changes(added=1, removed=1, relabelled=1)
    assert changes(before, before) == Changes(0, 0, 0)
    assert str(changes(before, [*before, before[0]])) == "1 added"
