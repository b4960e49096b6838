"""The emoji tasks as a table: which Unicode subcategories make each class.

One target and five auxiliary tasks; no subcategory occurs twice, so that no two tasks share an emoji. How emoji are
drawn is left to drawing.py, which of them exist in a style to tree.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.tasks.emoji.sources import PYPI_STYLES
from ratatouille.tasks.task import Task

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
