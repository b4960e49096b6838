"""The figure of a benchmark: every trial of every recipe on held-out images, means, and paired differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ratatouille.analysis.benchmark import FAVOURITE, Summary, named

_MEAN, _TRIAL, _SURE = "#c8553d", "#588b8b", "#2d3142"


def draw(summary: Summary, folder: Path, name: str) -> Path:
    """Write NAME.png and NAME.svg; returns the latter's path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = sorted(summary.lines, key=lambda line: line.held_out["all"].mean)
    differences = [one for one in summary.differences if one.first.split(" ")[0] == FAVOURITE]
    height = 1.6 + 0.32 * max(len(lines), len(differences))
    figure, axes = pyplot.subplots(1, 2, figsize=(12, height), layout="constrained", width_ratios=(1.2, 1))
    _recipes(axes[0], lines, summary.metric)
    _differences(axes[1], differences)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=150)
    with matplotlib.rc_context({"svg.hashsalt": summary.name}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    pyplot.close(figure)
    return folder / f"{name}.svg"


def _recipes(axis: Any, lines: Any, metric: str) -> None:
    for height, line in enumerate(lines):
        found = line.held_out["all"]
        axis.plot([100 * value for value in line.trials], [height] * len(line.trials), ".", color=_TRIAL, zorder=2)
        half = 0.0 if found.high is None else 100 * (found.high - found.mean)
        axis.errorbar([100 * found.mean], [height], xerr=[half], fmt="D", color=_MEAN, capsize=3, zorder=3)
    axis.set_yticks(range(len(lines)), [named(line.recipe, line.setting) for line in lines])
    axis.set_xlabel(f"held-out {metric} in %: mean with 95 % interval, and trials")
    axis.grid(axis="x", alpha=0.3)


def _differences(axis: Any, differences: Any) -> None:
    for height, one in enumerate(reversed(differences)):
        found = one.difference
        half = 0.0 if found.high is None else 100 * (found.high - found.mean)
        colour = _SURE if found.sure else _TRIAL
        axis.errorbar([100 * found.mean], [height], xerr=[half], fmt="o", color=colour, capsize=3)
    axis.set_yticks(range(len(differences)), [f"{one.first} − {one.second}" for one in reversed(differences)])
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel("paired difference in points, 95 % interval")
    axis.grid(axis="x", alpha=0.3)
