"""A file on its way in: checked by a gate while it is written, locked, and kept when the transfer breaks off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from ratatouille.errors import Refusal, Unreachable
from registry.blobs.disk import full, write_all
from registry.blobs.store import BLOCK, Block


class Gate(Protocol):
    """What checks a file while it arrives: `ratatouille.weights.intake.Intake`, or one that knows the digest only."""

    size: int
    received: int

    def update(self, block: Block) -> None:
        """Check the next bytes; raises Refusal."""

    def finish(self) -> None:
        """Check the whole; raises Refusal."""


class Receiving:
    """A file on its way in, locked; leaving the context releases it and keeps what has come."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._gate: Gate | None = None
        self.resumed = 0
        """Bytes that an earlier transfer had brought."""

    def __enter__(self) -> Receiving:
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
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
