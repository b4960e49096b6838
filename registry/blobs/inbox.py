"""The inbox: files that are being received, one per digest in a local folder, locked by the writer.

A transfer that broke off goes on where it stopped. What is complete leaves for a store (`registry.blobs.access`);
nobody ever sees half of it there.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from ratatouille.errors import Unreachable
from ratatouille.processes.locks import lock
from registry.blobs.receiving import Receiving
from registry.blobs.store import is_digest, shelf

PATIENCE_SECONDS = 60.0
"""How long to wait for another transfer of the same bytes: a broken connection is noticed sooner."""


class Inbox:
    """A folder of files on their way in."""

    def __init__(self, folder: Path) -> None:
        """Use (and make) the folder."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self.name = f"{socket.gethostname()}:{folder.resolve()}"
        """Which one it is: machines that share a database have each their own."""

    def partial(self, digest: str) -> Path:
        """Where a file is while it comes in."""
        return self._folder / Path(shelf(digest)).name

    def free_bytes(self) -> int:
        """Free space on the disk."""
        return shutil.disk_usage(self._folder).free

    def arrived_bytes(self, digest: str) -> int:
        """How much of a file has come."""
        try:
            return self.partial(digest).stat().st_size
        except FileNotFoundError:
            return 0

    def last_arrival(self, digest: str) -> float:
        """When the last bytes of a file came, in seconds since 1970; 0 when none did."""
        try:
            return self.partial(digest).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def receive(self, digest: str, patience: float = PATIENCE_SECONDS) -> Receiving:
        """Open a file, for this writer alone.

        Raises:
            Unreachable: when another transfer of the same bytes does not end.
        """
        path, until = self.partial(digest), time.monotonic() + patience
        while True:
            try:
                descriptor = lock(path)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Unreachable(
                        f"weights {digest[:12]}… are being sent by somebody else; try again later"
                    ) from None
                time.sleep(0.02)
                continue
            if _same(descriptor, path):
                return Receiving(path, descriptor)
            os.close(descriptor)  # it was moved or removed before we had the lock: look again

    def incoming(self) -> Iterator[Path]:
        """The files that are here."""
        return (path for path in self._folder.iterdir() if is_digest(path.name))

    def sweep(self, older_than: float) -> list[str]:
        """Remove files that nobody writes and nothing was added to since `older_than`."""
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


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
