"""Data sets whose metadata say what an image is, as rows of a manifest: TerraIncognita and Camelyon17-WILDS.

TerraIncognita as its authors give it: one flat folder of images, and annotations in COCO camera traps format.
DomainBed's selection is taken: four locations and ten categories, other categories ignored. An image with several of
the ten is left out and counted, since a task gives each image one class (DomainBed copies it into each of their
folders). An image's group is its name in DomainBed's prepared folders, so that both layouts split alike and have one
fingerprint.

Camelyon17-WILDS: `metadata.csv` has one line for each patch, and patches lie by patient and lymph node. A domain is a
hospital (the column `center`). A group is a patient: slides of one patient share tissue and staining, and 43 patients
gave the 50 slides. WILDS' own column `split` is not taken: it tears slides apart (its `id_val` are patches of the
slides that train), and which hospital is held out is a round's decision.
"""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed.classes import CAMELYON17, TERRA_INCOGNITA
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.source import Row
from ratatouille.wording import number_of

IMAGES = "eccv_18_all_images_sm"
ANNOTATIONS = ("caltech_images_20210113.json", "eccv_18_annotation_files/*.json")
"""One file for all, which DomainBed takes; or those of the benchmark's five splits."""
LOCATIONS = ("100", "38", "43", "46")


def rows_of_camera_traps(folder: Path) -> tuple[list[Row], list[str]]:
    """The selected images as rows of a manifest.

    Args:
        folder: holds the folder of images and the annotations.

    Returns:
        Rows in the order of their files, relative to the folder, and notes about what is left out.

    Raises:
        Refusal: without annotations, for a file that is not in this format, or where no selected image is there.
    """
    locations: dict[str, str] = {}
    labels: dict[str, set[str]] = defaultdict(set)
    for path in _annotation_files(folder):
        _read(path, locations, labels)
    one = {file: next(iter(names)) for file, names in labels.items() if len(names) == 1}
    held = set(os.listdir(folder / IMAGES)) if (folder / IMAGES).is_dir() else set()
    rows = [
        Row(f"{IMAGES}/{file}", label, f"L{locations[file]}", f"location_{locations[file]}/{label}/{file}")
        for file, label in sorted(one.items())
        if file in held
    ]
    if not rows:
        raise Refusal(
            f"'{folder / IMAGES}' has none of the images that the annotations beside it name for locations "
            f"{listed(LOCATIONS)}; unpack {IMAGES}.tar.gz there"
        )
    counts = {
        "with several of the classes": len(labels) - len(one),
        f"that are not in {IMAGES}": len(one) - len(rows),
    }
    return rows, [f"left out {number_of(count, 'image')} {why}" for why, count in counts.items() if count]


def _annotation_files(folder: Path) -> list[Path]:
    for pattern in ANNOTATIONS:
        if found := sorted(folder.glob(pattern)):
            return found
    raise Refusal(
        f"'{folder}' has the images of TerraIncognita and no annotations: expected '{folder / ANNOTATIONS[0]}' or "
        f"'{folder / ANNOTATIONS[1]}'; https://lila.science/datasets/caltech-camera-traps has them"
    )


def _read(path: Path, locations: dict[str, str], labels: dict[str, set[str]]) -> None:
    """Add the selected images of one file, by name: their locations, and those of their categories that are classes."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        categories = {one["id"]: one["name"] for one in content["categories"]}
        files = {one["id"]: one["file_name"] for one in content["images"] if str(one["location"]) in LOCATIONS}
        locations |= {one["file_name"]: str(one["location"]) for one in content["images"] if one["id"] in files}
        for one in content["annotations"]:
            if one["image_id"] in files and (label := categories[one["category_id"]]) in TERRA_INCOGNITA:
                labels[files[one["image_id"]]].add(label)
    except OSError as error:
        raise Refusal(f"the annotations '{path}' cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Refusal(
            f"'{path}' is not in COCO camera traps format ({type(error).__name__}: {error}); expected images with id, "
            f"file_name and location, categories with id and name, annotations with image_id and category_id"
        ) from error


COLUMNS = ("patient", "node", "x_coord", "y_coord", "tumor", "center")
HOSPITALS = ("0", "1", "2", "3", "4")


def rows_of_camelyon(folder: Path) -> tuple[list[Row], list[str]]:
    """The patches as rows of a manifest.

    Args:
        folder: holds `metadata.csv` and `patches/`.

    Returns:
        Rows in the order of the metadata, files relative to the folder; no notes, since every patch is taken.

    Raises:
        Refusal: naming the file, and the line where there is one.
    """
    path = folder / "metadata.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise Refusal(
                    f"'{path}' has no column {listed(missing)}; it should be the metadata of Camelyon17-WILDS 1.0, "
                    f"with the columns {listed(COLUMNS)}"
                )
            rows = [_row(cells, f"line {reader.line_num} of '{path}'") for cells in reader]
    except OSError as error:
        raise Refusal(f"the metadata '{path}' cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refusal(f"the metadata '{path}' are no CSV in UTF-8: {error}") from error
    if not rows:
        raise Refusal(f"'{path}' lists no patches; get it whole from https://wilds.stanford.edu/datasets/")
    return rows, []


def _row(cells: dict[str, str | None], where: str) -> Row:
    patient, node, x, y, tumor, center = (cells[name] or "" for name in COLUMNS)
    if tumor not in ("0", "1"):
        raise Refusal(f"{where} has the tumor '{tumor}'; it should be 0 or 1")
    if center not in HOSPITALS:
        raise Refusal(f"{where} has the center '{center}'; hospitals are {listed(HOSPITALS)}")
    place = f"patient_{patient}_node_{node}"
    file = f"patches/{place}/patch_{place}_x_{x}_y_{y}.png"
    return Row(file, CAMELYON17[int(tumor)], f"hospital_{center}", f"patient_{patient}")
