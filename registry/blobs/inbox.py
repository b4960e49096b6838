"""The inbox: files that are being received, one per digest in a local folder, locked by the writer.

A `Gate` checks a file while it is written. A transfer that broke off goes on where it stopped. A complete file is moved
into a store (`registry.blobs.access`), which never shows an incomplete one. `carry` does all of that for one file.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from ratatouille.errors import RatatouilleError, Refusal, Unavailable, Unreachable
from ratatouille.platforms import POSIX
from ratatouille.processes.locks import lock
from registry.blobs.disk import full, write_all
from registry.blobs.store import BLOCK, Block, is_digest, shelf


class Gate(Protocol):
    """A check of a file while it arrives: `ratatouille.weights.intake.Intake`, or `DigestGate`, by the digest only."""

    size: int
    received: int

    def update(self, block: Block) -> None:
        """Check the next bytes; raises Refusal."""

    def finish(self) -> None:
        """Check the whole; raises Refusal."""


class IncomingFile:
    """A file on its way in, locked; leaving the context releases it and keeps what has come."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._gate: Gate | None = None
        self.resumed = 0
        """Bytes that an earlier transfer had brought."""

    def __enter__(self) -> IncomingFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def resume(self, gate: Callable[[], Gate]) -> int:
        """Check what has come so far through a new gate; returns where to go on (0 if it was not good)."""
        checking = gate()
        try:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            while block := os.read(self._descriptor, BLOCK):
                checking.update(block)
        except Refusal:  # not the fault of the present sender
            self.restart()
            checking = gate()
        self._gate, self.resumed = checking, checking.received
        return checking.received

    def write(self, block: Block) -> None:
        """Check and keep the next bytes.

        Raises:
            Refusal: what is wrong with them, or that the disk is full.
        """
        assert self._gate is not None, "resume comes first"
        self._gate.update(block)
        write_all(self._descriptor, block)

    def take_over(self, gate: Callable[[], Gate], blocks: Iterable[Block]) -> None:
        """Go on with bytes that lie here already; if they are not good they are forgotten, as `resume` does."""
        assert self._gate is not None, "resume comes first"
        try:
            for block in blocks:
                self.write(block)
            self._gate.finish()
        except Refusal:
            self.restart()
            self._gate, self.resumed = gate(), 0
        else:
            self.resumed = self.received

    @property
    def received(self) -> int:
        """Bytes that have come."""
        return 0 if self._gate is None else self._gate.received

    def finish(self, sync: bool = True) -> None:
        """Check length and digest, and wait until the bytes are on the disk.

        Raises:
            Refusal: when they are not what was promised.
            Unreachable: the same, where the fault may lie in what an earlier transfer left; it is thrown away.
        """
        assert self._gate is not None, "resume comes first"
        try:
            self._gate.finish()
        except Refusal as error:
            if self.received < self._gate.size:
                raise
            self.discard()
            if self.resumed:
                sentence = "an earlier transfer left damaged bytes, which are thrown away now; send again"
                raise Unreachable(f"{sentence} ({error})") from error
            raise
        if sync:
            os.fsync(self._descriptor)

    def fill(self, write: Callable[[BinaryIO], str]) -> str:
        """Write the file anew with our own bytes, and wait until they are on the disk; returns what `write` does."""
        self.restart()
        with os.fdopen(os.dup(self._descriptor), "wb", buffering=BLOCK) as output:
            try:
                result = write(output)
                output.flush()
            except OSError as error:
                raise full(error) from error
        os.fsync(self._descriptor)
        return result

    def restart(self) -> None:
        """Forget what has come."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def discard(self) -> None:
        """Remove the file."""
        if not POSIX:
            self.close()  # Windows removes no open file
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


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

    def receive(self, digest: str, patience: float = PATIENCE_SECONDS) -> IncomingFile:
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
                return IncomingFile(path, descriptor)
            os.close(descriptor)  # it was moved or removed before we had the lock: look again

    def incoming(self) -> Iterator[Path]:
        """The files that are here."""
        return (path for path in self._folder.iterdir() if is_digest(path.name))

    def sweep(self, older_than: float) -> list[str]:
        """Remove files without a writer to which nothing was added since `older_than`."""
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


Bytes = Callable[[int], Iterable[Block]]
"""The bytes from an offset on."""


Place = Callable[[IncomingFile], None]
"""Takes the file when all of it is there and right."""


def carry(inbox: Inbox, digest: str, gate: Callable[[], Gate], bytes: Bytes, place: Place) -> None:
    """Receive a file, check it, and place it; once more from the beginning, if an earlier transfer left wrong bytes.

    Args:
        inbox: where it is while it comes.
        digest: its name there.
        gate: makes the check of the bytes.
        bytes: gives the bytes from an offset on.
        place: takes the complete file.

    Raises:
        Refusal: as the gate does, for bytes that are not right.
        Unreachable: when a source or a disk fails; what has come is kept.
    """
    for again in (False, True):
        with inbox.receive(digest) as receiving:
            try:
                for block in bytes(receiving.resume(gate)):
                    receiving.write(block)
                receiving.finish(sync=False)  # the receiver does
            except RatatouilleError as error:
                if isinstance(error, Unavailable) and receiving.path.exists():
                    raise
                receiving.discard()
                if again or not receiving.resumed:  # else what an earlier transfer left may be to blame
                    raise
            else:
                place(receiving)
                return
