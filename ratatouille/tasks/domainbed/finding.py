"""Looking for a data set on disk, and saying what was expected where it is not there."""

from __future__ import annotations

from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.tasks.domainbed.catalogue import DataSet, Layout
from ratatouille.tasks.sentences import listed


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
