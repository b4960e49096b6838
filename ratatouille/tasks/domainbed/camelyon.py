"""Camelyon17-WILDS: `metadata.csv` has one line for each patch, and patches lie by patient and lymph node.

A domain is a hospital (the column `center`). A group is a patient: slides of one patient share tissue and staining, and
43 patients gave the 50 slides. WILDS' own column `split` is not taken: it tears slides apart (its `id_val` are patches
of the slides that train), and which hospital is held out is a round's decision.
"""

from __future__ import annotations

import csv
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed.classes import CAMELYON17
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.source import Row

COLUMNS = ("patient", "node", "x_coord", "y_coord", "tumor", "center")
HOSPITALS = ("0", "1", "2", "3", "4")


def rows_of_metadata(folder: Path) -> tuple[list[Row], list[str]]:
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
