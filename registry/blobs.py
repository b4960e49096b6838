"""The folder of weights: immutable files by SHA-256, and files on their way in.

`blobs/ab/abcdef…` holds complete, checked, read-only files; `receiving/` holds what has come so far of others, one file
per digest, locked by whoever writes it. A file moves from one to the other by rename, after its bytes are on the disk;
so nobody ever sees half a blob, and a transfer that broke off goes on where it stopped. Which blobs belong to admitted
versions is for the callers to know.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ratatouille.errors import Refusal, Unreachable
from registry.receiving import Receiving

PATIENCE_SECONDS = 60.0
"""How long to wait for another transfer of the same bytes: a broken connection is noticed sooner."""


class Blobs:
    """Files by digest in one folder."""

    def __init__(self, folder: Path) -> None:
        """Use (and make) `folder/blobs` and `folder/receiving`."""
        self._blobs = folder / "blobs"
        self._receiving = folder / "receiving"
        for part in (self._blobs, self._receiving):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, digest: str) -> Path:
        """Where the complete file is, or would be."""
        return self._blobs / digest[:2] / digest

    def partial(self, digest: str) -> Path:
        """Where the file is while it comes in."""
        return self._receiving / digest

    def free_bytes(self) -> int:
        """Free space on the disk."""
        return shutil.disk_usage(self._blobs).free

    def arrived_bytes(self, digest: str) -> int:
        """How much of a file on its way in has come."""
        try:
            return self.partial(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def receive(self, digest: str, patience: float = PATIENCE_SECONDS) -> Receiving:
        """Open the file on its way in, for this writer alone.

        Raises:
            Unreachable: when another transfer of the same bytes does not end.
        """
        path, until = self.partial(digest), time.monotonic() + patience
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same(descriptor, path):
                    return Receiving(path, descriptor)
            except BlockingIOError:
                if time.monotonic() > until:
                    os.close(descriptor)
                    raise Unreachable(
                        f"weights {digest[:12]}… are being sent by somebody else; try again later"
                    ) from None
                time.sleep(0.02)
            os.close(descriptor)  # it was moved or removed while we waited: look again

    def place(self, receiving: Receiving, digest: str, sync: bool = True) -> None:
        """Make a complete file visible under its digest (its bytes are on the disk already, if that matters)."""
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        receiving.path.rename(target)
        target.chmod(0o400)
        if sync:
            for folder in (target.parent, self._blobs, self._receiving):
                sync_folder(folder)

    def take_back(self, digest: str) -> None:
        """Return a file that no version owns (we died between file and row) to the files on their way in."""
        self.path(digest).chmod(0o600)
        self.path(digest).rename(self.partial(digest))

    def complete(self) -> Iterator[Path]:
        """The complete files."""
        return self._blobs.glob("[0-9a-f][0-9a-f]/*")

    def incoming(self) -> Iterator[Path]:
        """The files on their way in."""
        return self._receiving.iterdir()

    def sweep(self, older_than: float) -> list[str]:
        """Remove files on their way in that nobody writes and nothing was added to since `older_than`."""
        swept = []
        for path in list(self.incoming()):
            try:
                if path.stat().st_mtime >= older_than:
                    continue
                with self.receive(path.name, patience=0) as receiving:
                    receiving.discard()
                swept.append(path.name)
            except (FileNotFoundError, Unreachable):
                continue
        return swept

    def sweep_complete(self, owned: Collection[str], older_than: float) -> None:
        """Remove complete files that are not `owned` and came before `older_than`."""
        for path in list(self.complete()):
            if path.name not in owned and path.stat().st_mtime < older_than:
                path.unlink()


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def open_to_send(digest: str, files: Mapping[str, Path], offset: int) -> BinaryIO:
    """A file to push, at the place where the registry wants to go on.

    Raises:
        Refusal: when the caller did not give it.
    """
    if digest not in files:
        raise Refusal(f"the receipt names weights {digest[:12]}…, but no file with them was given")
    try:
        file = files[digest].open("rb")
    except OSError as error:
        raise Refusal(f"{files[digest]} cannot be read: {error.strerror}") from error
    file.seek(offset)
    return file
