"""A CSV manifest as rows: `file_name,label[,domain][,group][,split]`, paths relative to the CSV's folder.

Absolute paths, `..` and links that lead out of that folder are refused, and so is one file with two labels. Columns of
other names are ignored and noted. What the names mean is left to source.py.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ratatouille.errors import Refusal
from ratatouille.tasks.formats import readable, unread
from ratatouille.tasks.sentences import leads_outside, listed, refuse_duplicates
from ratatouille.tasks.source import Row
from ratatouille.tasks.task import SPLITS

COLUMNS = ("file_name", "label", "domain", "group", "split")


def rows_of_manifest(path: Path) -> tuple[list[Row], list[str]]:
    """Read a manifest.

    Returns:
        Rows in the file's order, and a note about columns that are ignored.

    Raises:
        Refusal: naming the file and its line.
    """
    rows: list[Row] = []
    labels: dict[str, set[str]] = defaultdict(set)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name or "" for name in reader.fieldnames or []]
            _check_header(header, path)
            for row in _rows(reader, path):
                rows.append(row)
                labels[row.file].add(row.label)
    except FileNotFoundError:
        raise Refusal(
            f"there is no manifest '{path}'; set path to the CSV file that lists the images", code="manifest-missing"
        ) from None
    except OSError as error:
        raise Refusal(f"the manifest '{path}' cannot be read: {error.strerror}", code="manifest-unreadable") from error
    except UnicodeDecodeError as error:
        raise Refusal(
            f"the manifest '{path}' is not UTF-8 text; save it as UTF-8 CSV", code="manifest-format"
        ) from error
    except csv.Error as error:
        raise Refusal(f"the manifest '{path}' is not valid CSV: {error}", code="manifest-format") from error
    if not rows:
        raise Refusal(
            f"the manifest '{path}' lists no images; write a line for each below its header", code="manifest-empty"
        )
    refuse_duplicates(labels, Counter(row.file for row in rows), path)
    ignored = [name for name in header if name not in COLUMNS]
    return rows, [f"ignored columns of the manifest: {listed(ignored)}"] if ignored else []


def _check_header(header: list[str], path: Path) -> None:
    for name in COLUMNS[:2]:
        if name not in header:
            raise Refusal(
                f"the manifest '{path}' has no column '{name}' (found {listed(header) or 'none'}); "
                f"its first line must be file_name,label and, where wanted, domain, group, split, with commas between",
                code="manifest-column",
            )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise Refusal(f"the manifest '{path}' has the column '{twice[0]}' twice; keep one", code="manifest-column")


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[Row]:
    root = path.parent.resolve()
    for cells in reader:
        line = reader.line_num
        where = f"line {line} of '{path}'"
        if None in cells or any(value is None for value in cells.values()):
            raise Refusal(
                f"{where} does not have as many cells as the header; quote cells that contain commas",
                code="manifest-line",
                line=line,
            )
        values = {name: cells[name].strip() for name in COLUMNS if name in cells}
        file, label, split = values["file_name"], values["label"], values.get("split", "")
        if not file or not label:
            raise Refusal(f"{where} has an empty {'label' if file else 'file_name'}", code="manifest-line", line=line)
        if values.get("domain") == "":
            raise Refusal(
                f"{where} has an empty domain; name it, or remove the column", code="manifest-line", line=line
            )
        stated = next((side for side in SPLITS if side == split), None)
        if split and stated is None:
            raise Refusal(
                f"{where} has the split '{split}'; use train, validation or test, or leave it empty",
                code="manifest-line",
                line=line,
            )
        name = _inside(file, line, where, root)
        yield Row(name, label, values.get("domain"), values.get("group") or None, stated)


def _inside(file: str, line: int, where: str, root: Path) -> str:
    """The relative name in its one spelling, if it stays in the manifest's folder and exists."""
    name = PurePosixPath(file)
    if name.is_absolute() or ".." in name.parts or "\\" in file or file[1:2] == ":":
        raise Refusal(
            f"{where} has the path '{file}'; use paths relative to the manifest's folder, with '/' and without '..'",
            code="manifest-line",
            line=line,
        )
    suffix = name.suffix.lower()
    if suffix not in readable():
        cannot = unread(Counter([suffix]))
        raise Refusal(
            f"{where} names '{file}': {cannot}"
            if cannot
            else f"{where} names '{file}', which is no image; tasks classify images, in files named "
            + ", ".join(readable()),
            code="manifest-line",
            line=line,
        )
    try:
        real = (root / name).resolve()
        found = real.is_file()
    except (OSError, ValueError):
        raise Refusal(f"{where} has the unusable path '{file}'", code="manifest-line", line=line) from None
    if not real.is_relative_to(root):
        raise leads_outside(root / name, root)
    if not found:
        raise Refusal(f"{where} names '{file}', which is not there", code="image-missing")
    return str(name)
