"""A folder of images as rows: `class/*` or `domain/class/*`.

Other files are counted, hidden ones ignored, images at any other depth refused by name. Links to folders are never
followed, and links to files only where they stay inside. What the names mean is left to source.py.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.formats import readable, unread
from ratatouille.tasks.sentences import leads_outside, no_images
from ratatouille.tasks.source import Row
from ratatouille.wording import number_of

LAYOUT = "use class/file or domain/class/file"


def rows_of_folder(folder: Path) -> tuple[list[Row], list[str]]:
    """List a folder's images.

    Returns:
        Rows in alphabetical order of their files, and a note about files that are no images.

    Raises:
        Refusal: no folder, no images, images at mixed depths, or a link that leads out.
    """
    images, others = _walk(folder)
    if not images:
        raise no_images(folder, others)
    images.sort()
    depth = len(images[0])
    for image in images:
        name = "/".join(image)
        if not 2 <= len(image) <= 3:
            place = "in no class folder" if len(image) == 1 else "too deep"
            raise Refusal(f"the image '{name}' in '{folder}' lies {place}; {LAYOUT}", code="folder-layout")
        if len(image) != depth:
            raise Refusal(
                f"'{folder}' mixes '{'/'.join(images[0])}' and '{name}'; {LAYOUT}, the same everywhere",
                code="folder-layout",
            )
    rows = [Row("/".join(image), image[-2], image[0] if depth == 3 else None) for image in images]
    return rows, list(_notes(others))


def _notes(others: Counter[str]) -> Iterator[str]:
    if cannot := unread(others):
        yield cannot
    rest = {suffix: count for suffix, count in others.items() if not unread(Counter({suffix: count}))}
    if rest:
        kinds = ", ".join(suffix or "no suffix" for suffix in sorted(rest))
        yield f"ignored {number_of(sum(rest.values()), 'file that is no image', 'files that are no images')} ({kinds})"


def _walk(folder: Path) -> tuple[list[tuple[str, ...]], Counter[str]]:
    """Relative parts of each image below a folder, and the suffixes of all other files."""
    if not folder.is_dir():
        raise Refusal(
            f"there is no folder '{folder}'; set path to the folder that holds the images, or to a manifest named .csv",
            code="folder-missing",
        )
    root = folder.resolve()
    images: list[tuple[str, ...]] = []
    others: Counter[str] = Counter()
    for place, folders, files in os.walk(root, onerror=_refuse_unreadable):
        for name in (*folders, *files):
            if not _encodable(name):
                raise Refusal(f"{name!r} in {place!r} is a name that is not UTF-8; rename it", code="folder-entry")
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in folders:
            if Path(place, name).is_symlink():
                raise Refusal(
                    f"'{Path(place, name)}' is a link to a folder, which is not followed; "
                    f"put the folder itself there, or set path to it",
                    code="folder-entry",
                )
        for name in files:
            path = Path(place, name)
            if _hidden(name):
                continue
            if path.suffix.lower() not in readable():
                others[path.suffix.lower()] += 1
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise leads_outside(path, folder)
            if not path.is_file():
                raise Refusal(f"'{path}' is no ordinary file, or a link to nothing; remove it", code="folder-entry")
            images.append(path.relative_to(root).parts)
    return images, others


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_unreadable(error: OSError) -> None:
    raise Refusal(
        f"the folder '{error.filename}' cannot be read: {error.strerror}", code="folder-unreadable"
    ) from error
