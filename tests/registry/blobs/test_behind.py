"""Blocks that are written behind come in order, all of them, and a disk that refuses them is not kept quiet."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratatouille.errors import Unreachable
from registry.blobs.behind import Behind
from registry.blobs.disk import write_all

BLOCKS = [bytes([number]) * (1000 + number) for number in range(50)]


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "behind"]


def test_all_blocks_are_there_in_order_once_it_has_settled(descriptor: int, tmp_path: Path) -> None:
    writing = Behind(descriptor)
    for block in BLOCKS:
        writing.write(memoryview(block))
    writing.settle()
    assert (tmp_path / "file").read_bytes() == b"".join(BLOCKS)
    writing.end()
    assert threads() == []


def test_one_block_needs_no_thread(descriptor: int, tmp_path: Path) -> None:
    writing = Behind(descriptor)
    writing.write(BLOCKS[7])
    assert threads() == []
    assert (tmp_path / "file").read_bytes() == BLOCKS[7]
    writing.settle()
    writing.end()


def test_what_waits_is_written_when_it_ends_and_more_may_come(descriptor: int, tmp_path: Path) -> None:
    writing = Behind(descriptor)
    for block in BLOCKS:
        writing.write(block)
    writing.end()
    for block in BLOCKS:
        writing.write(block)
    writing.end()
    assert (tmp_path / "file").read_bytes() == b"".join(BLOCKS) * 2


def test_a_disk_that_is_full_is_said_at_the_next_block_and_when_it_settles(
    descriptor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()

    def full(descriptor: int, block: bytes) -> None:
        if block == BLOCKS[2]:
            written.set()
            raise Unreachable("the disk is full; make room and try again")
        write_all(descriptor, block)

    monkeypatch.setattr("registry.blobs.behind.write_all", full)
    writing = Behind(descriptor)
    for block in BLOCKS[:3]:
        writing.write(block)
    assert written.wait(timeout=30)
    with pytest.raises(Unreachable, match="full"):
        writing.settle()
    with pytest.raises(Unreachable, match="full"):
        writing.write(BLOCKS[3])
    writing.end()
    assert (tmp_path / "file").read_bytes() == b"".join(BLOCKS[:2])
