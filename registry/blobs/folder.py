"""The store in a folder: read-only files `ab/abcdef…`, moved in whole and synced, which can be memory-mapped.

A file that comes from the same disk is renamed; one from another disk is copied beside its place first.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.folders import sync
from registry.blobs.disk import full, hash_file, read_blocks
from registry.blobs.store import Block, Stored, is_digest, missing, shelf

STALE_SECONDS = 24 * 3600.0
"""Age at which an unfinished copy is removed."""


class FolderStore:
    """`registry.blobs.store.BlobStore` in a folder."""

    def __init__(self, folder: Path) -> None:
        """Use (and make) the folder."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.name = str(folder)
        self._folder = folder

    def put(self, source: Path, digest: str) -> None:
        """Move a file in; of several that bring the same bytes at once, one file stays."""
        target = self.path(digest)
        try:
            if target.exists() and hash_file(target) == digest:
                return
            target.parent.mkdir(exist_ok=True, mode=0o700)
            sync(source)
            try:
                source.rename(target)
                target.chmod(0o400)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(source, target)
            for folder in (target.parent, self._folder, source.parent):
                sync(folder)
        except OSError as error:
            raise full(error) from error

    def size(self, digest: str) -> int | None:
        """Length of the file."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: str, offset: int, length: int) -> Block:
        """Some bytes of the file."""
        try:
            with self.path(digest).open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset)
        except FileNotFoundError:
            raise missing(digest) from None

    def stream(self, digest: str, offset: int = 0) -> Generator[Block, None, None]:
        """The file from `offset` on."""
        try:
            yield from read_blocks(self.path(digest), offset)
        except FileNotFoundError:
            raise missing(digest) from None

    def path(self, digest: str) -> Path:
        """Where the file is, or would be."""
        return self._folder / shelf(digest)

    def remove(self, digest: str) -> None:
        """Remove the file; what is memory-mapped stays readable."""
        self.path(digest).unlink(missing_ok=True)

    def stored(self) -> Iterator[Stored]:
        """All files with a digest for a name."""
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if not is_digest(path.name):
                continue
            try:
                status = path.stat()
            except FileNotFoundError:  # it was removed meanwhile
                continue
            yield Stored(path.name, status.st_size, status.st_mtime)

    def check(self) -> None:
        """Check whether files can be made here."""
        try:
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise Refusal(f"the folder {self.name} for weights cannot be used: {error.strerror}") from error

    def _copy(self, source: Path, target: Path) -> None:
        folder = self._folder / "incoming"
        folder.mkdir(exist_ok=True, mode=0o700)
        for left in folder.iterdir():  # by copies that were killed
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                left.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        os.close(descriptor)
        try:
            shutil.copyfile(source, name)
            sync(Path(name))
            os.chmod(name, 0o400)
            os.rename(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
