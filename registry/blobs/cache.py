"""Fetched weights on this machine: files by digest in a folder of bounded size, the longest unused ones leaving first.

Several processes may share it. A file is hashed when it arrives and once more by each process that first uses it, so
nothing has to be forced to the disk. Files that were used minutes ago stay even beyond the bound; one that is
memory-mapped stays readable even when it leaves.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.folders import make_private
from ratatouille.platforms import POSIX
from registry.blobs.disk import HashedFiles
from registry.blobs.inbox import Inbox, IncomingFile
from registry.blobs.store import Block, shelf

RECENT_SECONDS = 600.0
STALE_SECONDS = 7 * 24 * 3600.0

Arriving = Callable[[int], AbstractContextManager[tuple[int, Iterator[Block]]]]
"""Given an offset: the whole file's length, and its bytes from there on."""


class Cache:
    """A bounded folder of files by digest."""

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        """Use (and make) the folder.

        Raises:
            Refusal: when that cannot be done.
        """
        self._folder = folder / "blobs"
        try:
            make_private(self._folder)
            self._inbox = Inbox(folder / "receiving")
        except OSError as error:
            raise Refusal(f"the cache folder {folder} cannot be used: {error.strerror}") from error
        self._largest = largest_bytes
        self._hashed = HashedFiles()

    def get(self, digest: str) -> Path | None:
        """The file, if it is here and good."""
        path = self._folder / shelf(digest)
        try:
            if self._hashed.found(path, digest) != digest:
                path.unlink(missing_ok=True)
                return None
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return None
        return path

    def fetch(
        self, digest: str, arriving: Arriving, sender: str, progress: Callable[[int, int], None] | None = None
    ) -> Path:
        """The file; what is missing of it is fetched, going on where an earlier transfer broke off.

        Raises:
            Refusal: when the sender's bytes are others than promised.
        """
        found = self.get(digest)
        if found is None:
            with self._inbox.receive(digest) as receiving:
                found = self.get(digest)  # another process may have been faster
                if found is not None:
                    receiving.discard()
                else:
                    gate = DigestGate(digest, sender)
                    offset = receiving.resume(lambda: gate)
                    with arriving(offset) as (gate.size, blocks):
                        for block in blocks:
                            receiving.write(block)
                            if progress is not None:
                                progress(gate.received, gate.size)
                    receiving.finish(sync=False)
                    return self.keep(receiving, digest)
        if progress is not None:
            size = found.stat().st_size
            progress(size, size)
        return found

    def keep(self, receiving: IncomingFile, digest: str, used: bool = True) -> Path:
        """Make a complete file usable, and make room for it; one that was not used yet may leave at once."""
        path = self._folder / shelf(digest)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not POSIX:
            receiving.close()  # Windows moves no open file, and removes no read-only one
        receiving.path.rename(path)
        if POSIX:
            path.chmod(0o400)
        if not used:
            os.utime(path, ns=(time.time_ns() - int(RECENT_SECONDS * 10**9), path.stat().st_mtime_ns))
        self._hashed.trust(path, digest)
        self.trim()
        return path

    def remove(self, digest: str) -> None:
        """Forget a file."""
        (self._folder / shelf(digest)).unlink(missing_ok=True)

    def trim(self) -> None:
        """Remove the longest unused files until the rest is within the bound, and broken transfers of last week."""
        now = time.time()
        self._inbox.sweep(now - STALE_SECONDS)
        files = []
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process was first
                continue
            files.append((status.st_atime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for used, size, path in sorted(files):
            if total <= self._largest or used > now - RECENT_SECONDS:
                break
            path.unlink(missing_ok=True)
            total -= size


class DigestGate:
    """A check of one file by its digest alone: bytes are hashed as they come and compared at the end."""

    def __init__(self, digest: str, sender: str) -> None:
        self.size = sys.maxsize
        """How many bytes there are; the largest number until the sender has said it."""
        self.received = 0
        self._digest = digest
        self._sender = sender
        self._sha = hashlib.sha256()

    def update(self, block: Block) -> None:
        """Hash the next bytes.

        Raises:
            Refusal: for more bytes than there are: a sender without end would fill the disk.
        """
        self._sha.update(block)
        self.received += len(block)
        if self.received > self.size:
            raise Refusal(f"more than the {self.size} bytes of weights {self._digest[:12]}… came from {self._sender}")

    def finish(self) -> None:
        """Compare length and digest."""
        if self.received != self.size:
            raise Refusal(
                f"{self.received} of {self.size} bytes of weights {self._digest[:12]}… came; fetch them again"
            )
        if self._sha.hexdigest() != self._digest:
            raise Refusal(
                f"{self._sender} sent other bytes than {self._digest[:12]}…; its maintainers should verify it"
            )
