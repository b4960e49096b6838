"""From a data set on disk to ordinary files: a task.toml, a node.toml with a `[[data]]` table, and perhaps a manifest.

The first layout that is there whole is taken; where none is, a refusal says what was expected. A manifest is needed
where folders do not name domain and class. Its paths may not leave its folder, so it is written beside the images.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import tomli_w

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.record import Record
from ratatouille.tasks.domainbed.catalogue import DataSet, Layout
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.source import Row
from ratatouille.tasks.task import Task


def find(data_set: DataSet, data_dir: Path) -> tuple[Layout, Path]:
    """The first layout that is there whole, and its folder.

    Raises:
        Refusal: which folder was expected, what should be in it, and where people get the data.
    """
    lacking: list[tuple[Layout, list[str]]] = []
    for layout in data_set.layouts:
        place = data_dir / layout.folder
        missing = [name for name in layout.holds if not (place / name).exists()]
        if not missing:
            return layout, place
        lacking.append((layout, missing))
    raise Refusal(_sentence(data_set, data_dir, lacking))


def _sentence(data_set: DataSet, data_dir: Path, lacking: list[tuple[Layout, list[str]]]) -> str:
    """About the layout that is nearest to what is there."""
    begun = [(layout, missing) for layout, missing in lacking if len(missing) < len(layout.holds)]
    nearest, missing = min(begun, key=lambda pair: len(pair[1])) if begun else lacking[0]
    place = data_dir / nearest.folder
    if not place.is_dir():
        problem = "there is no such folder"
    elif begun:
        problem = f"it has no {listed(missing)}"
    else:
        problem = "it has none of them"
    others = " (docs/datasets.md has the other layouts that are read)" if len(data_set.layouts) > 1 else ""
    return (
        f"{data_set.title} was expected in '{place}' with {listed(nearest.holds)}, but {problem}; "
        f"get it from {data_set.source}{others}, and name the folder that holds '{nearest.folder}' with --data-dir"
    )


MANIFEST = "ratatouille.csv"
HEADER = ("file_name", "label", "domain", "group")


class Prepared(Record):
    """What was written for a data set; `notes` are sentences about what was left out."""

    data_set: str
    folder: Path
    task: Path
    node: Path
    manifest: Path | None
    notes: tuple[str, ...]


def task_of(data_set: DataSet, kind: Literal["auxiliary", "target"] = "target") -> Task:
    """The task of a data set: its domains and classes in the paper's order, 80 % to train and 20 % to validate."""
    return Task(
        name=data_set.name,
        kind=kind,
        classes=data_set.classes,
        domains=data_set.domains,
        description=f"{data_set.title}, from {data_set.source}",
    )


def prepare(
    data_set: DataSet,
    data_dir: Path,
    output: Path,
    kind: Literal["auxiliary", "target"] = "target",
    force: bool = False,
) -> Prepared:
    """Write what a federation needs to use a data set.

    Args:
        data_set: a row of the table.
        data_dir: the folder that holds the data set's folder.
        output: where NAME.task.toml and NAME.node.toml are written.
        kind: what the task is for when a round does not say.
        force: replace files that say something else.

    Raises:
        Refusal: if the data is not there or its metadata cannot be used, before anything is written; or if a file that
            is there says something else.
    """
    layout, folder = find(data_set, data_dir.absolute())
    table: dict[str, Any] = {"task": data_set.name, "path": str(folder)}
    contents: dict[Path, bytes] = {}
    manifest, notes = None, list[str]()
    if layout.rows is None:
        table["domains"] = dict(layout.domains)
    else:
        rows, notes = layout.rows(folder)
        manifest = folder / MANIFEST
        contents[manifest] = manifest_of(rows)
        table["path"] = str(manifest)
    task, node = (output / f"{data_set.name}.{what}.toml" for what in ("task", "node"))
    definition = task_of(data_set, kind).model_dump(mode="json")
    contents[task] = _commented(f"{data_set.title} as a task; `ratatouille task add` defines it.", definition)
    contents[node] = _commented(
        f"A node that holds {data_set.title}; its [[data]] table may stand in any node.toml.",
        {"name": data_set.name, "data": [table]},
    )
    _write(contents, force)
    return Prepared(data_set=data_set.name, folder=folder, task=task, node=node, manifest=manifest, notes=tuple(notes))


def manifest_of(rows: Iterable[Row]) -> bytes:
    """The CSV that `rows_of_manifest` reads back as these rows."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((row.file, row.label, row.domain, row.group) for row in rows)
    return text.getvalue().encode()


def _commented(comment: str, values: dict[str, Any]) -> bytes:
    return f"# {comment}\n{tomli_w.dumps(values)}".encode()


def _write(contents: dict[Path, bytes], force: bool) -> None:
    """Write all files or none; one that says the same already is left alone."""
    news = {path: data for path, data in contents.items() if not (path.is_file() and path.read_bytes() == data)}
    for path in news:
        if path.exists() and not force:
            raise Refusal(f"'{path}' exists already and says something else; move it, or replace it with --force")
    for path, data in news.items():
        write_whole(path, [data])
