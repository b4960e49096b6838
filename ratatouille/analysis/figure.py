"""The figure of a round: what the domains look like, and how each recipe does on the domain that nobody trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratatouille.analysis.report import Report, Row

Pixels = NDArray[np.uint8]
_FINAL, _RUN, _BEST = "#c8553d", "#588b8b", "#2d3142"


def draw(report: Report, examples: Mapping[str, Sequence[Pixels]], path: Path) -> None:
    """Write a PNG.

    Args:
        report: the round's table.
        examples: a few images [height, width, 3] of each domain, the same objects in the same order.
        path: where to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    if examples:
        figure = pyplot.figure(figsize=(11, 4.6), layout="constrained")
        places: Any = figure.subfigures(1, 2, width_ratios=(1, 1.25))
        pictures, bars = places
        _pictures(pictures, report, examples)
    else:
        figure = pyplot.figure(figsize=(7, 4.2), layout="constrained")
        bars = figure
    _bars(bars, report)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _pictures(place: Any, report: Report, examples: Mapping[str, Sequence[Pixels]]) -> None:
    columns = max(len(images) for images in examples.values())
    axes = place.subplots(len(examples), columns, squeeze=False)
    for row, (domain, images) in enumerate(examples.items()):
        for column in range(columns):
            axis = axes[row][column]
            axis.set(xticks=[], yticks=[])
            if column < len(images):
                axis.imshow(images[column])
        held = domain in report.held_out
        label = f"{domain}\n({'held out' if held else 'trained on'})"
        axes[row][0].set_ylabel(label, rotation=0, ha="right", va="center", color=_FINAL if held else "black")
    place.suptitle(f"{report.target}: one object in several styles")


def _bars(place: Any, report: Report) -> None:
    axis = place.subplots()
    rows = [row for row in report.rows if "all" in row.held_out]
    for height, row in enumerate(reversed(rows)):
        final = row.held_out["all"]
        axis.barh(height, 100 * final.value, xerr=100 * final.margin, color=_FINAL, height=0.55, capsize=3, zorder=2)
        _runs(axis, height, row)
        axis.text(1, height, f"{100 * final.value:.1f}", va="center", color="white", zorder=3)
    axis.set_yticks(range(len(rows)), [row.recipe for row in reversed(rows)])
    axis.set_xlabel(f"held-out {report.metric} in % (± 95 % over images)")
    axis.grid(axis="x", alpha=0.3)
    axis.plot([], [], "|", color=_RUN, markersize=14, label="mean of its single runs")
    axis.plot([], [], "D", color=_BEST, label="its best run by validation")
    place.legend(loc="outside lower right", ncols=2, fontsize="small", frameon=False)
    axis.set_title("final version of each recipe")


def _runs(axis: Any, height: int, row: Row) -> None:
    if row.runs < 2:
        return
    if row.mean_run is not None:
        axis.plot([100 * row.mean_run], [height], "|", color=_RUN, markersize=26, markeredgewidth=3, zorder=4)
    if row.best_run is not None:
        axis.plot([100 * row.best_run], [height], "D", color=_BEST, zorder=4)
