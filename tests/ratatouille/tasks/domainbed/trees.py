"""Small trees of exactly the layouts that the data sets have: one image or two for each class and domain."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ratatouille.tasks.domainbed import DATA_SETS, DataSet

CATEGORIES = [
    "empty",
    "bird",
    "bobcat",
    "car",
    "cat",
    "coyote",
    "deer",
    "dog",
    "opossum",
    "rabbit",
    "raccoon",
    "squirrel",
]
_numbers = count()


def picture(path: Path) -> Path:
    """An image that no other file repeats."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(_numbers)).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def folders(root: Path, domains: Sequence[str], classes: Sequence[str], images: int = 1) -> Path:
    """domain/class/*."""
    for domain in domains:
        for name in classes:
            for index in range(images):
                picture(root / domain / name / f"{index:04d}.png")
    return root


def every_folder_layout() -> Iterator[tuple[DataSet, int]]:
    """Data sets of folders, and which of their layouts."""
    for row in DATA_SETS.values():
        yield from ((row, place) for place, layout in enumerate(row.layouts) if layout.rows is None)


def camera_traps(
    folder: Path, images: Mapping[str, tuple[str, Sequence[str]]], file: str = "caltech_images_20210113.json"
) -> dict[str, Any]:
    """Annotations in COCO camera traps format, for files with a location and categories; every file is drawn."""
    content: dict[str, Any] = {
        "info": {"version": "test"},
        "categories": [{"id": number, "name": name} for number, name in enumerate(CATEGORIES)],
        "images": [
            {"id": name.removesuffix(".jpg"), "file_name": name, "location": place, "seq_id": "s", "frame_num": 1}
            for name, (place, _) in images.items()
        ],
        "annotations": [
            {"id": f"{name}-{number}", "image_id": name.removesuffix(".jpg"), "category_id": CATEGORIES.index(label)}
            for name, (_, labels) in images.items()
            for number, label in enumerate(labels)
        ],
    }
    for name in images:
        if not (folder / "eccv_18_all_images_sm" / name).exists():
            picture(folder / "eccv_18_all_images_sm" / name)
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps(content))
    return content


METADATA = ["", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split"]


def camelyon(root: Path, slides: Mapping[str, int], patches: int = 2, draw: bool = True) -> Path:
    """metadata.csv and patches/ of slides such as "004_4", each of a hospital; patches are normal and tumor in turn."""
    folder = root / "camelyon17_v1.0"
    folder.mkdir(parents=True)
    lines: list[list[object]] = []
    for slide, (name, center) in enumerate(slides.items()):
        patient, node = name.split("_")
        for index in range(patches):
            x, y = 96 * index, 32 * slide
            place = f"patient_{patient}_node_{node}"
            if draw:
                picture(folder / "patches" / place / f"patch_{place}_x_{x}_y_{y}.png")
            lines.append([len(lines), patient, node, x, y, index % 2, slide, center, index % 2])
    (folder / "patches").mkdir(exist_ok=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([METADATA, *lines])
    return folder
