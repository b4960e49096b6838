"""Writing a file so that nobody ever sees half of it: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ratatouille.errors import Refusal


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write chunks to a file that appears whole or not at all, replacing what was there.

    Raises:
        Refusal: if the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Plain writes, not a memory map: a full disk must be an error here, not a fatal signal later.
            with temporary.open("wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise Refusal(
            f"'{path}' cannot be written: {error.strerror}; free some space or name another folder"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
