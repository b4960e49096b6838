"""Tiny synthetic tasks: coloured shapes in a few styles, for tests and a first try without any data.

One target and two auxiliary tasks with other shapes, drawn in milliseconds, the same on every machine with the same
Pillow. They can be learnt; they show that the machinery works, and nothing about which method is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ratatouille.errors import Refusal
from ratatouille.record import canonical_json, sha256
from ratatouille.tasks.task import SplitRule, Task

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

STYLES = ("day", "night", "sketch")
"""Colour on white, light on black, and black outlines on white."""

SHAPES: dict[str, tuple[float, ...]] = {
    "disc": (1.0,) * 24,
    "square": (1.0,) * 4,
    "triangle": (1.0,) * 3,
    "star": (1.0, 0.4) * 5,
    "cross": (1.0, 1.0, 0.35) * 4,
    "kite": (1.0, 0.45, 0.6, 0.45),
    "pentagon": (1.0,) * 5,
    "propeller": (1.0, 0.2) * 3,
    "gear": (1.0, 1.0, 0.7, 0.7) * 6,
}
"""A shape is its outline: distances from the centre at equal angles."""

CLASSES: dict[str, tuple[str, ...]] = {
    "shapes": ("disc", "square", "triangle"),
    "shapes-pointed": ("star", "cross", "kite"),
    "shapes-round": ("pentagon", "propeller", "gear"),
}
"""The target first, then the auxiliary tasks; no shape occurs twice."""


def synthetic_tasks() -> dict[str, Task]:
    """The tasks by name: the target `shapes` and two auxiliary ones."""
    return {
        name: Task(
            name=name,
            kind="target" if name == "shapes" else "auxiliary",
            classes=classes,
            domains=STYLES,
            split=SplitRule(train=0.75, validation=0.25),  # so that each class has something to validate on
            description=f"Drawn shapes: {', '.join(classes)}.",
        )
        for name, classes in CLASSES.items()
    }


def write_synthetic(
    task_name: str, folder: Path, each: int = 12, size: int = 32, styles: Sequence[str] = STYLES
) -> Path:
    """Write one task as `style/class/class-number.png`; with `group = "stem"` a shape is one group in all styles.

    Args:
        task_name: a key of `synthetic_tasks()`.
        folder: where; files of the same names are replaced.
        each: images for each class and style.
        size: pixels of a side.
        styles: the domains to write.

    Returns:
        The folder.

    Raises:
        Refusal: an unknown task or style.
    """
    if task_name not in CLASSES or not set(styles) <= set(STYLES):
        raise Refusal(f"the synthetic tasks are {', '.join(CLASSES)}, their styles {', '.join(STYLES)}")
    for style in styles:
        for shape in CLASSES[task_name]:
            (folder / style / shape).mkdir(parents=True, exist_ok=True)
            for number in range(each):
                picture = draw_shape(shape, style, number, size)
                picture.save(folder / style / shape / f"{shape}-{number:03d}.png")
    return folder


def draw_shape(shape: str, style: str, number: int, size: int) -> Image.Image:
    """One picture, RGB [size, size]; place, angle and extent follow from shape and number, so styles show one thing."""
    random = _random(shape, number)
    large = 4 * size  # drawn large and reduced, for smooth edges
    extent = large * random.uniform(0.28, 0.42)
    centre = large / 2 + random.uniform(-0.08, 0.08, 2) * large
    turn = random.uniform(0, 2 * math.pi)
    radii = SHAPES[shape]
    outline: Points = [
        (
            float(centre[0] + extent * radius * math.cos(turn + 2 * math.pi * index / len(radii))),
            float(centre[1] + extent * radius * math.sin(turn + 2 * math.pi * index / len(radii))),
        )
        for index, radius in enumerate(radii)
    ]
    picture = Image.new("RGB", (large, large), "black" if style == "night" else "white")
    _PENS[style](ImageDraw.Draw(picture), outline, _random(shape, number, style))
    return picture.resize((size, size), Image.Resampling.BOX)


def _colour(random: np.random.Generator, low: int, high: int) -> Colour:
    red, green, blue = (int(value) for value in random.integers(low, high, 3))
    return red, green, blue


def _day(pen: ImageDraw.ImageDraw, outline: Points, random: np.random.Generator) -> None:
    pen.polygon(outline, fill=_colour(random, 0, 190))


def _night(pen: ImageDraw.ImageDraw, outline: Points, random: np.random.Generator) -> None:
    pen.polygon(outline, fill=_colour(random, 120, 255))


def _sketch(pen: ImageDraw.ImageDraw, outline: Points, random: np.random.Generator) -> None:
    pen.line([*outline, outline[0], outline[1]], fill=_colour(random, 0, 60), width=6, joint="curve")


_PENS: dict[str, Callable[[ImageDraw.ImageDraw, Points, np.random.Generator], None]] = {
    "day": _day,
    "night": _night,
    "sketch": _sketch,
}


def _random(*name: object) -> np.random.Generator:
    """Random numbers that follow from a name."""
    return np.random.default_rng(int(sha256(canonical_json(list(name)))[:16], 16))
