"""Files on the disk: hashed once, synced, written in whole, opened to be sent.

A full disk is said in a sentence. `HashedFiles` trusts a file that a process has hashed while it is the same.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ratatouille.errors import Refusal, Unreachable
from registry.blobs.store import BLOCK, Block


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_blocks(path: Path, offset: int) -> Generator[Block, None, None]:
    """The bytes of a file from `offset` on."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while block := file.read(BLOCK):
            yield block


def write_all(descriptor: int, block: bytes | memoryview) -> None:
    """Write all bytes.

    Raises:
        Unreachable: when the disk is full.
    """
    view = memoryview(block)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError as error:
        raise full(error) from error


def full(error: OSError) -> Exception:
    """What to raise for an error of the disk: a full one may have room later."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unreachable("the disk is full; make room and try again")
    return error


Mark = tuple[int, int, int]
"""Inode, length, and when the bytes were last written."""


class HashedFiles:
    """Remembers files whose bytes were seen to hash to their digest."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def trust(self, path: Path, digest: str) -> None:
        """Remember a file that was hashed while it was written, if it is still there."""
        with suppress(FileNotFoundError):
            self._marks[digest] = _mark(path)

    def found(self, path: Path, digest: str) -> str:
        """What the file's bytes hash to, by memory if it did not change since they hashed to `digest`.

        Raises:
            FileNotFoundError: when it is not there.
        """
        before = _mark(path)
        if self._marks.get(digest) == before:
            return digest
        found = hash_file(path)
        if found == digest:
            self._marks[digest] = before
        return found


def _mark(path: Path) -> Mark:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def open_to_send(digest: str, files: Mapping[str, Path], offset: int) -> BinaryIO:
    """Open one of the files that were given.

    Raises:
        Refusal: when it was not given, or cannot be read.
    """
    if digest not in files:
        raise Refusal(f"the receipt names weights {digest[:12]}…, but no file with them was given")
    try:
        file = files[digest].open("rb")
    except OSError as error:
        raise Refusal(f"{files[digest]} cannot be read: {error.strerror}") from error
    file.seek(offset)
    return file
