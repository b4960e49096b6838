from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratatouille.errors import Refusal
from ratatouille.record import sha256
from registry.blobs.folder import FolderStore

DATA = b"weights" * 1000
DIGEST = sha256(DATA)


def source(folder: Path) -> Path:
    path = folder / "source"
    path.write_bytes(DATA)
    return path


def test_a_file_is_read_only_and_in_the_folder_of_its_first_letters(tmp_path: Path) -> None:
    FolderStore(tmp_path / "store").put(source(tmp_path), DIGEST)
    path = tmp_path / "store" / DIGEST[:2] / DIGEST
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_file_from_the_same_disk_is_moved_and_stays_itself_when_it_is_put_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    first = source(tmp_path)
    inode = first.stat().st_ino
    store.put(first, DIGEST)
    assert not first.exists()
    store.put(source(tmp_path), DIGEST)
    assert store.path(DIGEST).stat().st_ino == inode


def test_a_file_from_another_disk_is_copied_and_what_killed_copies_left_goes(
    tmp_path: Path, another_disk: Path
) -> None:
    store = FolderStore(another_disk)
    (another_disk / "incoming").mkdir()
    for name, changed in (("left", 1), ("running", None)):
        (another_disk / "incoming" / name).write_bytes(b"half")
        if changed:
            os.utime(another_disk / "incoming" / name, (changed, changed))
    store.put(source(tmp_path), DIGEST)
    assert store.path(DIGEST).read_bytes() == DATA
    assert store.path(DIGEST).stat().st_mode & 0o777 == 0o400
    assert [path.name for path in (another_disk / "incoming").iterdir()] == ["running"]


def test_what_is_no_blob_is_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put(source(tmp_path), DIGEST)
    (tmp_path / "ab").mkdir(exist_ok=True)
    (tmp_path / "ab" / "notes.txt").write_text("hello")
    assert [one.digest for one in store.stored()] == [DIGEST]


def test_a_folder_that_is_gone_does_not_pass_the_check(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    (tmp_path / "store").rmdir()
    with pytest.raises(Refusal, match="cannot be used"):
        store.check()
