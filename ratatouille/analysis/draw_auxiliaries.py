"""The figure of auxiliary tasks (figure 6): score against the number of starts, at a fixed number of runs."""

from __future__ import annotations

from typing import Any

from ratatouille.analysis import plots
from ratatouille.analysis.auxiliaries import Auxiliaries


def draw(found: Auxiliaries) -> Any:
    """Averages with their spread over draws, the single runs' mean, and validation."""
    held_out = [(one, one.held_out) for one in found.rows if one.held_out is not None]
    validation = [(one.starts, one.validation) for one in found.rows if one.validation is not None]
    if not held_out and not validation:
        return plots.empty(found.sentence)
    figure = plots.figure(7, 4.6)
    axis = figure.subplots()
    if held_out:
        axis.errorbar(
            [one.starts for one, _ in held_out],
            [100 * score for _, score in held_out],
            yerr=[100 * (one.spread or 0.0) for one, _ in held_out],
            capsize=4,
            label="average, held out (± spread over draws)",
            **plots.style(1),
        )
    single = [(one.starts, one.mean_run) for one in found.rows if one.mean_run is not None]
    _line(axis, single, "mean of its single runs, held out", 0)
    _line(axis, validation, "average, validation", 2)
    axis.set_xticks([one.starts for one in found.rows])
    title = f"Averages of {found.runs} runs over more and more starts"
    plots.label(axis, title, "number of starts (the foundation is one)", "score in %")
    plots.legend(axis)
    return figure


def _line(axis: Any, points: list[tuple[int, float]], name: str, number: int) -> None:
    if points:
        style = plots.style(number)
        axis.plot([x for x, _ in points], [100 * y for _, y in points], ls="--", ms=4, label=name, **style)
