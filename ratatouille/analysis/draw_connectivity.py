"""The figure of linear mode connectivity (figure 4): accuracy along the lines between networks.

As in the paper, markers are what was counted and the line through them is a polynomial fit: it guides the eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratatouille.analysis import plots
from ratatouille.analysis.connectivity import KINDS, Connectivity, Line, Side
from ratatouille.recipes.study_connectivity import POINTS

_TITLES = {
    "observation 1": "Observation 1: two checkpoints of one run",
    "observation 2": "Observation 2: two runs of one start",
    "hypothesis 1": "Hypothesis 1: two auxiliary featurizers, not fine-tuned",
    "hypothesis 2": "Hypothesis 2: two runs of different starts",
    "three-way": "Three runs of different starts (λ: share of the first)",
}


def draw(found: Connectivity) -> Any:
    """A column for each kind of curve, held-out accuracy above, validation accuracy below."""
    kinds = [kind for kind in KINDS if any(line.kind == kind for line in found.lines)]
    rows = [
        (name, pick)
        for name, pick in (("held-out", _held_out), ("validation", _validation))
        if any(pick(line) for line in found.lines)
    ]
    if not kinds or not rows:
        return plots.empty(found.sentence)
    figure = plots.figure(4.2 * len(kinds), 3.8 * len(rows))
    axes = figure.subplots(len(rows), len(kinds), squeeze=False)
    for row, (name, pick) in enumerate(rows):
        for column, kind in enumerate(kinds):
            _panel(axes[row][column], [(line, pick(line)) for line in found.lines if line.kind == kind], found.order)
            plots.label(axes[row][column], _TITLES[kind], "λ", f"{name} accuracy in %")
    figure.suptitle(
        f"Accuracy on the way between networks, and polynomials of order {found.order} through it; "
        "dashed: the line between the scores of the ends"
    )
    return figure


def _held_out(line: Line) -> Side | None:
    return line.held_out


def _validation(line: Line) -> Side | None:
    return line.validation


def fit(accuracy: Sequence[float], order: int, at: Sequence[float]) -> list[float]:
    """The polynomial of this order with the least squared distance to a curve's points, at some λ."""
    found = np.polynomial.Polynomial.fit(POINTS, accuracy, order)
    return [float(one) for one in found(np.asarray(at))]


def _panel(axis: Any, lines: list[tuple[Line, Side | None]], order: int) -> None:
    way = [number / 100 for number in range(101)]
    for number, (line, side) in enumerate(lines):
        if side is not None:
            style = plots.style(number)
            counted = [100 * one for one in side.accuracy]
            axis.plot(POINTS, counted, ls="none", label=" to ".join(line.ends), ms=4, **style)
            axis.plot(way, fit(counted, order, way), color=style["color"], lw=1.3)
            axis.plot(POINTS, [100 * one for one in side.line], "--", color=style["color"], lw=0.9, alpha=0.7)
    plots.legend(axis)
