"""The figure of diversity (figures 3a to 3d): how differently runs err, and what averaging them gains."""

from __future__ import annotations

from typing import Any

from ratatouille.analysis import plots
from ratatouille.analysis.diversity import Diversity
from ratatouille.analysis.pairs import KINDS


def draw(found: Diversity) -> Any:
    """Panels a to d, left to right and down."""
    if not found.pairs:
        return plots.empty(found.sentence)
    figure = plots.figure(11, 8)
    ((a, b), (c, d)) = figure.subplots(2, 2)
    _histogram(a, found)
    _steps(b, found)
    _gain(c, found)
    _shares(d, found)
    figure.suptitle("Diversity of runs on held-out images, and what averaging them gains")
    return figure


def _histogram(axis: Any, found: Diversity) -> None:
    groups = [
        (kind, [q for pair in found.pairs if pair.kind == kind and (q := pair.held_out.q_diversity) is not None])
        for kind in KINDS
    ]
    known = [(kind, values) for kind, values in groups if values]
    plots.label(axis, "a: pairs of runs", "q-diversity", "pairs")
    if not known:
        plots.nothing(axis, "no pair has a q-diversity here")
        return
    colours = [plots.COLOURS[KINDS.index(kind)] for kind, _ in known]
    axis.hist([values for _, values in known], bins=12, color=colours, label=[kind for kind, _ in known])
    plots.legend(axis)


def _steps(axis: Any, found: Diversity) -> None:
    plots.label(axis, "b: over the steps of the runs (means over pairs)", "step", "q-diversity")
    for number, kind in enumerate(KINDS):
        points = [
            (at.step, one.held_out.q_diversity)
            for at in found.steps
            for one in at.means
            if one.kind == kind and one.held_out.q_diversity is not None
        ]
        if points:
            axis.plot([x for x, _ in points], [y for _, y in points], label=kind, **plots.style(number))
    plots.legend(axis)


def _gain(axis: Any, found: Diversity) -> None:
    plots.label(axis, "c: what averaging two gains over their mean", "q-diversity", "gain in points")
    axis.axhline(0, color=plots.GREY, lw=0.8)
    every = []
    for number, kind in enumerate(KINDS):
        points = [
            (q, 100 * pair.gain)
            for pair in found.pairs
            if pair.kind == kind and pair.gain is not None and (q := pair.held_out.q_diversity) is not None
        ]
        every += points
        if points:
            style = plots.style(number)
            axis.plot([x for x, _ in points], [y for _, y in points], ls="", ms=5, alpha=0.8, label=kind, **style)
    if found.slope is not None and every:
        start, slope = found.slope
        ends = [min(x for x, _ in every), max(x for x, _ in every)]
        name = "least squares" if found.gain is None else f"least squares, r = {found.gain.value:.2f}"
        axis.plot(ends, [100 * (start + slope * x) for x in ends], color=plots.GREY, label=name)
    plots.legend(axis)


def _shares(axis: Any, found: Diversity) -> None:
    plots.label(
        axis, "d: averages of M runs, ± spread over draws", "share of runs from auxiliary tasks", "held-out score in %"
    )
    for number, size in enumerate(sorted({one.size for one in found.mixed})):
        rows = [(one, one.held_out) for one in found.mixed if one.size == size and one.held_out is not None]
        if rows:
            axis.errorbar(
                [one.foreign / size for one, _ in rows],
                [100 * score for _, score in rows],
                yerr=[100 * (one.spread or 0.0) for one, _ in rows],
                capsize=3,
                label=f"M = {size}",
                **plots.style(number),
            )
    plots.legend(axis)
