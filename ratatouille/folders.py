"""Folders of people: `~` written out, and folders and files that nobody but their owner may open.

What a node keeps of its owner's data, its key and its logs are its owner's alone: 0700 and 0600, whatever the umask is,
and also where an earlier release left them open.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ratatouille.errors import Refusal


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


def close_to_others(path: Path) -> None:
    """Take the rights of others away from one file or folder, not from what is below it; links are left alone.

    What belongs to somebody else, or is gone meanwhile, stays as it is.
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
