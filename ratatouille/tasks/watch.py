"""Noticing that images changed since they were opened: what the file system says of each file and folder, compared.

Nothing is read for it: a file that was added, removed or renamed changes its folder, one that was written changes
itself, so a look costs one `stat` each. What a difference means is left to data.py, which reads what changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.holding import Line
from ratatouille.tasks.inspection import signature

Seen = dict[str, tuple[int, int, int, int] | None]
"""A file's or folder's path, and its signature; None where it is not there."""


class DataChanged(Refusal):
    """Images are not what they were when the node offered them."""

    code = "data-changed"


@dataclass(frozen=True)
class Changes:
    """How many images are new, gone, or under another class, domain, group or side of the split."""

    added: int
    removed: int
    relabelled: int

    @property
    def images(self) -> int:
        """How many images that is, in all."""
        return self.added + self.removed + self.relabelled

    def __str__(self) -> str:
        parts = (f"{self.added} added", f"{self.removed} removed", f"{self.relabelled} relabelled or moved")
        return ", ".join(part for part in parts if not part.startswith("0 "))


def look(place: Path, files: Iterable[str] = ()) -> Seen:
    """What the file system says of a folder with all folders in it, or of a manifest; and of some files."""
    places = [str(place)]
    for folder, inner, _ in os.walk(place):
        inner[:] = [name for name in inner if not name.startswith(".")]
        places += [os.path.join(folder, name) for name in inner]
    return signatures((*places, *files))


def signatures(files: Iterable[str]) -> Seen:
    """What the file system says of files or folders."""
    return {path: _signature(path) for path in files}


def changes(before: Sequence[Line], now: Sequence[Line]) -> Changes:
    """What became of images, told apart by their bytes."""
    old, new = _by_bytes(before), _by_bytes(now)
    return Changes(
        added=sum(max(0, len(lines) - len(old.get(one, ()))) for one, lines in new.items()),
        removed=sum(max(0, len(lines) - len(new.get(one, ()))) for one, lines in old.items()),
        relabelled=sum(
            sum(left != right for left, right in zip(lines, new[one], strict=False))
            for one, lines in old.items()
            if one in new
        ),
    )


def _by_bytes(lines: Sequence[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in sorted(lines):
        found.setdefault(line.sha256, []).append(line)
    return found


def _signature(path: str) -> tuple[int, int, int, int] | None:
    try:
        return signature(os.stat(path))
    except OSError:
        return None
