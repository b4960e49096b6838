"""Writing a file, or a folder of files, so that nobody ever sees half of it: temporary name, fsync, rename, fsync."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.folders import make_private


def write_whole(path: Path, chunks: Iterable[bytes], private: bool = False) -> None:
    """Write chunks to a file that appears whole or not at all, replacing what was there.

    A private one, and its folder, is its owner's alone, whatever the umask.

    Raises:
        Refusal: if the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if private:
            make_private(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Plain writes, not a memory map: a full disk must be an error here, not a fatal signal later.
            with open(temporary, "wb", opener=_private if private else None) as file:
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
            f"'{path}' cannot be written: {error.strerror}; free some space or name another folder",
            code="disk-full",
        ) from error


def _private(path: str, flags: int) -> int:
    """Open a file that is its owner's alone from its first byte on."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def write_folder(folder: Path, files: Mapping[str, Iterable[bytes]]) -> None:
    """Write files by name into a folder that appears whole or not at all; an empty one may be there already.

    Raises:
        Refusal: as `write_whole`.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(folder)
        beside = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        beside.mkdir()
        try:
            for name, chunks in files.items():
                write_whole(beside / name, chunks)
            beside.replace(folder)  # which may be there and empty
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync_folder(folder.parent)
    except OSError as error:
        raise Refusal(
            f"'{folder}' cannot be written: {error.strerror}; free some space or name another folder",
            code="disk-full",
        ) from error


def _remove_left_behind(folder: Path) -> None:
    """Remove what those left behind who were killed while they wrote this folder."""
    for path in folder.parent.glob(f".{glob.escape(folder.name)}.*.tmp"):
        number = path.name.removesuffix(".tmp").rpartition(".")[2]
        if number.isdecimal() and (int(number) == os.getpid() or not _is_alive(int(number))):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
