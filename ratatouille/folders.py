"""Files and folders: home folders, private folders, and files that appear whole or not at all.

A file is written under a temporary name, synced, renamed, and its folder synced: no reader ever sees half of it.
"""

from __future__ import annotations

import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.platforms import POSIX


def expanded(path: str | Path) -> Path:
    """A path with `~` and `~name` written out.

    Raises:
        Refusal: when this machine knows no home folder of that user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        user = Path(path).parts[0]
        raise Refusal(f"this machine knows no home folder for '{user}' in '{path}'; write the folder out") from error


def home_folder() -> Path:
    """The home folder of the user who runs this.

    Raises:
        Refusal: for a user without one, as containers have.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise Refusal(
            "this user has no home folder on this machine; set RATATOUILLE_HOME to a folder for settings and keys"
        ) from error


def make_private(folder: Path) -> None:
    """Make a folder for its owner alone, with the parents that are missing; close one that is open to others.

    Raises:
        OSError: when it cannot be made.
    """
    missing = []
    place = folder
    while not place.exists() and place != place.parent:
        missing.append(place)
        place = place.parent
    for one in reversed(missing):
        with suppress(FileExistsError):
            one.mkdir(mode=0o700)
        one.chmod(0o700)  # the umask may have taken more away, or a default rule of the file system have added
    if not missing:
        close_to_others(folder)


def write_once(path: Path, data: bytes) -> None:
    """Write a private file, whole or not at all; when two processes do so at once, the first one's file stays."""
    make_private(path.parent)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # its owner's only, too
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def close_to_others(path: Path) -> None:
    """Take the rights of others away from one file or folder, not from what is below it; links are left alone.

    What belongs to another user, or is gone meanwhile, stays as it is.
    """
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return
        if found.st_mode & 0o077:
            path.chmod(found.st_mode & 0o700)


def close_tree(path: Path) -> None:
    """The same for a file, or for a folder and everything below it."""
    close_to_others(path)
    if path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                close_to_others(Path(folder, name))


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
        sync(path.parent)
    except OSError as error:
        raise Refusal(
            f"'{path}' cannot be written: {error.strerror}; free some space or name another folder",
            code="disk-full",
        ) from error


def _private(path: str, flags: int) -> int:
    """Open a file that is its owner's alone from its first byte on."""
    descriptor = os.open(path, flags, 0o600)
    if POSIX:
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
            if not POSIX and folder.is_dir():  # Windows replaces no folder, not even an empty one
                folder.rmdir()
            beside.replace(folder)  # which may be there and empty
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        sync(folder.parent)
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
    if not POSIX:  # on Windows os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; does nothing on Windows, which opens no folder."""
    if not POSIX:
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
