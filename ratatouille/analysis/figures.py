"""Figures: how all are drawn and written, the figure of a round, and the figure of a benchmark.

matplotlib without a screen, in PNG and SVG, the same bytes for the same numbers. Colours are Okabe and Ito's, which
people with any colour vision tell apart; each goes with a marker of its own. `drawings` has the figures of analyses.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratatouille.analysis.benchmark import FAVOURITE, Summary, named
from ratatouille.analysis.report import Report, ReportRow

COLOURS = ("#0072b2", "#c8553d", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#2d3142")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6b6b6b"
_RESOLUTION = 150


def figure(width: float, height: float) -> Any:
    """An empty figure, in inches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def files(drawn: Any) -> dict[str, bytes]:
    """A figure as `figure.png` and `figure.svg`, without dates, versions or random names in them."""
    import matplotlib

    written = {}
    plain: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with matplotlib.rc_context({"svg.hashsalt": "ratatouille", "svg.fonttype": "path"}):
        for kind, metadata in plain.items():
            out = io.BytesIO()
            drawn.savefig(out, format=kind, dpi=_RESOLUTION, metadata=metadata)
            written[f"figure.{kind}"] = out.getvalue()
            drawn.set_layout_engine("none")  # it is laid out now, which takes as long as to draw it
    return written


def style(number: int) -> dict[str, Any]:
    """Colour and marker of the number-th thing that is drawn; after seven they begin again."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def label(axis: Any, title: str, x: str, y: str) -> None:
    """Title and axes, and a quiet grid."""
    axis.set_title(title, fontsize="medium")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.3)


def legend(axis: Any) -> None:
    """A small legend, if anything is named."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="x-small", frameon=False)


def nothing(axis: Any, why: str) -> None:
    """A panel that says why it is empty."""
    axis.set(xticks=[], yticks=[])
    axis.text(0.5, 0.5, why, ha="center", va="center", color=GREY, wrap=True, transform=axis.transAxes)


def empty(why: str) -> Any:
    """A figure that says why it is empty."""
    found = figure(5, 3)
    nothing(found.subplots(), why)
    return found


Pixels = NDArray[np.uint8]
_FINAL, _RUN, _BEST = "#c8553d", "#588b8b", "#2d3142"


def draw_round(report: Report, examples: Mapping[str, Sequence[Pixels]], path: Path) -> None:
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
        _runs_of(axis, height, row)
        axis.text(1, height, f"{100 * final.value:.1f}", va="center", color="white", zorder=3)
    axis.set_yticks(range(len(rows)), [row.recipe for row in reversed(rows)])
    axis.set_xlabel(f"held-out {report.metric} in % (± 95 % over images)")
    axis.grid(axis="x", alpha=0.3)
    axis.plot([], [], "|", color=_RUN, markersize=14, label="mean of its single runs")
    axis.plot([], [], "D", color=_BEST, label="its best run by validation")
    place.legend(loc="outside lower right", ncols=2, fontsize="small", frameon=False)
    axis.set_title("final version of each recipe")


def _runs_of(axis: Any, height: int, row: ReportRow) -> None:
    if row.runs < 2:
        return
    if row.mean_run is not None:
        axis.plot([100 * row.mean_run], [height], "|", color=_RUN, markersize=26, markeredgewidth=3, zorder=4)
    if row.best_run is not None:
        axis.plot([100 * row.best_run], [height], "D", color=_BEST, zorder=4)


_MEAN, _TRIAL, _SURE = "#c8553d", "#588b8b", "#2d3142"


def draw_benchmark(summary: Summary, folder: Path, name: str) -> Path:
    """Write NAME.png and NAME.svg; returns the latter's path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = sorted(summary.lines, key=lambda line: line.held_out["all"].mean)
    differences = [one for one in summary.differences if one.first.split(" ")[0] == FAVOURITE]
    height = 1.6 + 0.32 * max(len(lines), len(differences))
    figure, axes = pyplot.subplots(1, 2, figsize=(12, height), layout="constrained", width_ratios=(1.2, 1))
    _recipe_axis(axes[0], lines, summary.metric)
    _difference_axis(axes[1], differences)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=150)
    with matplotlib.rc_context({"svg.hashsalt": summary.name}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return folder / f"{name}.svg"


def _recipe_axis(axis: Any, lines: Any, metric: str) -> None:
    for height, line in enumerate(lines):
        found = line.held_out["all"]
        axis.plot([100 * value for value in line.trials], [height] * len(line.trials), ".", color=_TRIAL, zorder=2)
        half = 0.0 if found.high is None else 100 * (found.high - found.mean)
        axis.errorbar([100 * found.mean], [height], xerr=[half], fmt="D", color=_MEAN, capsize=3, zorder=3)
    axis.set_yticks(range(len(lines)), [named(line.recipe, line.setting) for line in lines])
    axis.set_xlabel(f"held-out {metric} in %: mean with 95 % interval, and trials")
    axis.grid(axis="x", alpha=0.3)


def _difference_axis(axis: Any, differences: Any) -> None:
    for height, one in enumerate(reversed(differences)):
        found = one.difference
        half = 0.0 if found.high is None else 100 * (found.high - found.mean)
        colour = _SURE if found.sure else _TRIAL
        axis.errorbar([100 * found.mean], [height], xerr=[half], fmt="o", color=colour, capsize=3)
    axis.set_yticks(range(len(differences)), [f"{one.first} − {one.second}" for one in reversed(differences)])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("paired difference in points, 95 % interval")
    axis.grid(axis="x", alpha=0.3)
