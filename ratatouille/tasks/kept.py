"""Copies of images that a machine keeps: where they lie, how large they are, and how they are removed.

Decoded images and features are copies of private data in another form, so they go with the data: when it is no longer
offered, when it has not been used for long, or when its owner says so. All of it may be removed at any time.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ratatouille.folders import close_to_others, close_tree, make_private
from ratatouille.tasks.images import prefix_of
from ratatouille.tasks.inspection import keep_only

MOST_BYTES = 20 * 2**30
LONGEST_SECONDS = 30 * 24 * 3600.0
_AT_WORK_SECONDS = 24 * 3600.0
"""Checkpoints and results that were written since are those of work that goes on."""


@dataclass(frozen=True)
class Kind:
    """What we keep in one place: only names of ours are touched, as people may keep their own files in that folder."""

    place: str
    what: str
    name: re.Pattern[str]
    bounded: bool = False
    """Whether it goes when it was not used for long."""


_DIGEST = "[0-9a-f]{64}"
_IMAGES = ("decoded images", re.compile(r"[0-9a-f]{32}-[0-9]{1,4}\.npy"), True)
_FEATURES = ("features of images", re.compile(r"([0-9a-f]{32}-)?[0-9a-f]{32}\.npy"), True)
_HASHES = ("paths and hashes of images", re.compile(r"inspected\.json"))
_UNFINISHED = (
    Kind("work/checkpoints", "checkpoints of trainings", re.compile(rf"{_DIGEST}\.checkpoint")),
    Kind("work/results", "weights that were not sent yet", re.compile(_DIGEST)),
)
NODE = (
    Kind("data/images", *_IMAGES),
    Kind("data", *_HASHES),
    Kind("work/features", *_FEATURES),
    *_UNFINISHED,
    Kind("work/runs", "records of trainings", re.compile(_DIGEST)),
)
"""In the folder of a node, or of rehearsals."""
OWN_DATA = (Kind("images", *_IMAGES), Kind("", *_HASHES), Kind("features", *_FEATURES))
"""In the folder of `evaluate` and `best --data`."""
Layout = Sequence[Kind]


@dataclass(frozen=True)
class Kept:
    """What one folder keeps of one kind."""

    entries: tuple[Path, ...]
    place: Path
    what: str
    files: int
    bytes: int

    def remove(self) -> None:
        """Remove it, whole."""
        for entry in self.entries:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def kept_in(folder: Path, layout: Layout = NODE) -> list[Kept]:
    """All that is kept of images in one folder."""
    found = []
    for kind in layout:
        entries = _entries(folder, kind)
        files = [file for entry in entries for file in (entry, *entry.rglob("*")) if file.is_file()]
        if files:
            found.append(Kept(tuple(entries), folder / kind.place, kind.what, len(files), sum(map(_size, files))))
    return found


def make_own(folder: Path, layout: Layout = NODE) -> None:
    """Make a folder of ours private, and everything in it that comes from images or names them.

    Raises:
        OSError: when it cannot be made.
    """
    make_private(folder)
    for kind in layout:
        for entry in _entries(folder, kind):
            close_tree(entry)
            place = entry.parent
            while place != folder:
                close_to_others(place)
                place = place.parent
    for name in ("key", "weights", "logs", "flower", "lock", "parked"):
        close_tree(folder / name)


def forget_others(
    cache: Path, features: Path, digests: Iterable[Sequence[str]], fingerprints: Iterable[str], folders: Iterable[Path]
) -> list[Path]:
    """Remove what comes from images that are no longer held.

    Args:
        cache: the folder with decoded images and hashes.
        features: the folder with features.
        digests: of each data that is held, the SHA-256 of its images in their order.
        fingerprints: of each data that is held.
        folders: where the images that are held lie.

    Returns:
        What was removed.
    """
    held = {prefix_of(one) for one in digests}
    prefixes = {one[:32] for one in fingerprints}
    removed = [path for path in _named(cache / "images", _IMAGES[1]) if path.name.partition("-")[0] not in held]
    removed += [path for path in _named(features, _FEATURES[1]) if path.name.partition("-")[0] not in prefixes]
    for path in removed:
        path.unlink(missing_ok=True)
    keep_only(cache, folders)
    return removed


def forget_old(
    folder: Path, layout: Layout = NODE, most_bytes: int = MOST_BYTES, seconds: float = LONGEST_SECONDS
) -> list[Path]:
    """Remove what has not been used for long, then the least recently used beyond a number of bytes; the latest stays.

    Returns:
        What was removed.
    """
    files = [path for kind in layout if kind.bounded for path in _entries(folder, kind)]
    now, room, removed = time.time(), most_bytes, []
    for number, path in enumerate(sorted(files, key=_used, reverse=True)):
        room -= _size(path)
        if now - _used(path) > seconds or (number and room < 0):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def forget_unfinished(folder: Path, most_bytes: int = MOST_BYTES, seconds: float = LONGEST_SECONDS) -> list[Path]:
    """Remove checkpoints and results of work that did not go on for long, then the oldest beyond a number of bytes.

    What was written within the last day stays.

    Returns:
        What was removed.
    """
    entries = sorted((path for kind in _UNFINISHED for path in _entries(folder, kind)), key=_used, reverse=True)
    now, room, removed = time.time(), most_bytes, []
    for path in entries:
        room -= sum(map(_size, (path, *path.rglob("*")) if path.is_dir() else (path,)))
        age = now - _used(path)
        if age > seconds or (age > _AT_WORK_SECONDS and room < 0):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _entries(folder: Path, kind: Kind) -> list[Path]:
    return _named(folder / kind.place, kind.name)


def _named(place: Path, name: re.Pattern[str]) -> list[Path]:
    """What lies in a folder under names of ours; links are not followed."""
    if place.is_symlink():
        return []
    return sorted(path for path in place.glob("*") if name.fullmatch(path.name) and not path.is_symlink())


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
