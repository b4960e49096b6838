"""Fetched weights on this machine: files by digest in a folder of bounded size, the longest unused ones leaving first.

Several processes may share it. A file is hashed when it arrives and once more by each process that first uses it, so
nothing has to be forced to the disk. Files that were used minutes ago stay, whatever the bound says; one that is
memory-mapped stays readable even when it leaves.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ratatouille.errors import Refusal
from registry.blobs import Blobs, hash_file
from registry.receiving import Receiving

RECENT_SECONDS = 600.0
STALE_SECONDS = 7 * 24 * 3600.0


class Cache:
    """A bounded folder of files by digest."""

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        """Use (and make) the folder.

        Raises:
            Refusal: when that cannot be done.
        """
        try:
            self._blobs = Blobs(folder)
        except OSError as error:
            raise Refusal(f"the cache folder {folder} cannot be used: {error.strerror}") from error
        self._largest = largest_bytes
        self._checked: dict[str, tuple[int, int]] = {}
        """Inode and length of the files that this process has hashed."""

    def get(self, digest: str) -> Path | None:
        """The file, if it is here and good."""
        path = self._blobs.path(digest)
        try:
            if self._checked.get(digest) != _mark(path):
                if hash_file(path) != digest:
                    path.unlink()
                    return None
                self._checked[digest] = _mark(path)
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def receive(self, digest: str) -> Receiving:
        """The file on its way in, for this process alone."""
        return self._blobs.receive(digest)

    def keep(self, receiving: Receiving, digest: str) -> Path:
        """Make a complete file usable, and make room for it."""
        path = self._blobs.path(digest)
        self._blobs.place(receiving, digest, sync=False)
        self._checked[digest] = _mark(path)
        self.trim()
        return path

    def trim(self) -> None:
        """Remove the longest unused files until the rest is within the bound, and broken transfers of last week."""
        now = time.time()
        self._blobs.sweep(now - STALE_SECONDS)
        files = []
        for path in self._blobs.complete():
            try:
                status = path.stat()
            except FileNotFoundError:  # another process was first
                continue
            files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for used, size, path in sorted(files):
            if total <= self._largest or used > now - RECENT_SECONDS:
                break
            path.unlink(missing_ok=True)
            total -= size


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_size
