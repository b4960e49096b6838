"""Disk operations: hash a file, make it survive a power cut, and say in a sentence that a disk is full."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

from ratatouille.errors import Unreachable


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
