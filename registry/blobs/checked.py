"""The list of hashed files of a process: a file is trusted while it is the same, else hashed again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from registry.blobs.disk import hash_file

Mark = tuple[int, int, int]
"""Inode, length, and when the bytes were last written."""


class Checked:
    """Remembers files whose bytes were seen to hash to their digest."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def trust(self, path: Path, digest: str) -> None:
        """Remember a file that somebody has hashed on its way here, if it is still there."""
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
