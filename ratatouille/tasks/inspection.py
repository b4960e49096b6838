"""Inspection of image files: each is hashed and checked once, and changes since then are noticed.

Answers are kept in a small JSON file by path and by what changes when a file does (`signature`), so that a second start
costs one `stat` for each file. The cache may be deleted at any time. To notice changes nothing is read: a file that was
added, removed or renamed changes its folder, one that was written changes itself, and both show in their signatures.
What answers and changes lead to is left to data.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.holding import ImageLine
from ratatouille.tasks.images import READER, Progress, UnreadableError, check, code_of_error, quiet


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """The result of inspecting one file; `problem` is empty for an image that can be used."""

    sha256: str
    problem: str


def inspect(paths: Sequence[Path], cache: Path | None = None, progress: Progress | None = None) -> list[InspectedFile]:
    """Hash and check files, in the given order.

    Args:
        paths: the files.
        cache: a folder for what is remembered between calls; None remembers nothing.
        progress: called after each file.

    Raises:
        Refusal: if a file cannot be opened.
    """
    known = _load(cache)
    fresh: dict[str, list[Any]] = {}
    answers: list[InspectedFile] = []
    with quiet():
        for done, path in enumerate(paths, 1):
            answers.append(_look(path, known, fresh))
            if progress is not None:
                progress(done, len(paths))
    if cache is not None and fresh:
        # Read again before writing: another worker may have added its answers meanwhile.
        files = {**_load(cache), **fresh}
        write_whole(_file(cache), [canonical_json({"reader": READER, "files": files})], private=True)
    return answers


def _look(path: Path, known: dict[str, list[Any]], fresh: dict[str, list[Any]]) -> InspectedFile:
    key = str(path.absolute())
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            match known.get(key):
                case [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, str(digest), str(problem)]:
                    return InspectedFile(digest, problem)
            data = file.read()
    except OSError as error:
        raise Refusal(f"the image '{path}' cannot be read: {error.strerror}", code=code_of_error(error)) from error
    answer = InspectedFile(sha256(data), _problem(data))
    fresh[key] = [*signature(status), answer.sha256, answer.problem]
    return answer


def signature(status: os.stat_result) -> tuple[int, int, int, int]:
    """What changes whenever a file does: size, the times of its content and of its entry, and which file it is."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def keep_only(cache: Path, folders: Iterable[Path]) -> None:
    """Forget all files but those below these folders."""
    known, roots = _load(cache), [f"{folder.absolute()}{os.sep}" for folder in folders]
    kept = {path: answer for path, answer in known.items() if path.startswith(tuple(roots))}
    if len(kept) < len(known):
        write_whole(_file(cache), [canonical_json({"reader": READER, "files": kept})], private=True)


def _problem(data: bytes) -> str:
    try:
        check(data)
    except UnreadableError as problem:
        return str(problem)
    return ""


def _file(cache: Path) -> Path:
    return cache / "inspected.json"


def _load(cache: Path | None) -> dict[str, list[Any]]:
    """What is remembered; nothing if the file is absent, damaged or of another reader: it is only a cache."""
    if cache is None:
        return {}
    try:
        content = json.loads(_file(cache).read_bytes())
        if content["reader"] == READER and isinstance(content["files"], dict):
            return dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return {}


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
    return {path: _known_signature(path) for path in files}


def changes(before: Sequence[ImageLine], now: Sequence[ImageLine]) -> Changes:
    """The changes of images, which are recognised by their bytes."""
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


def _by_bytes(lines: Sequence[ImageLine]) -> dict[str, list[ImageLine]]:
    found: dict[str, list[ImageLine]] = {}
    for line in sorted(lines):
        found.setdefault(line.sha256, []).append(line)
    return found


def _known_signature(path: str) -> tuple[int, int, int, int] | None:
    try:
        return signature(os.stat(path))
    except OSError:
        return None
