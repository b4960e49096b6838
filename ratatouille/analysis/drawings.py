"""The figures of the four analyses.

In the figure of connectivity, as in the paper, markers are what was counted and the line through them is a polynomial
fit: it guides the eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratatouille.analysis import figures
from ratatouille.analysis.auxiliaries import Auxiliaries
from ratatouille.analysis.connectivity import KINDS, Connectivity, ConnectivityLine, CurveSide
from ratatouille.analysis.diversity import Diversity
from ratatouille.analysis.pairs import KINDS as PAIRS
from ratatouille.analysis.selection import ScoredNetwork, Selection
from ratatouille.recipes.study_connectivity import POINTS


def auxiliaries(found: Auxiliaries) -> Any:
    """Averages with their spread over draws, the single runs' mean, and validation."""
    held_out = [(one, one.held_out) for one in found.rows if one.held_out is not None]
    validation = [(one.starts, one.validation) for one in found.rows if one.validation is not None]
    if not held_out and not validation:
        return figures.empty(found.sentence)
    figure = figures.figure(7, 4.6)
    axis = figure.subplots()
    if held_out:
        axis.errorbar(
            [one.starts for one, _ in held_out],
            [100 * score for _, score in held_out],
            yerr=[100 * (one.spread or 0.0) for one, _ in held_out],
            capsize=4,
            label="average, held out (± spread over draws)",
            **figures.style(1),
        )
    single = [(one.starts, one.mean_run) for one in found.rows if one.mean_run is not None]
    _line(axis, single, "mean of its single runs, held out", 0)
    _line(axis, validation, "average, validation", 2)
    axis.set_xticks([one.starts for one in found.rows])
    title = f"Averages of {found.runs} runs over more and more starts"
    figures.label(axis, title, "number of starts (the foundation is one)", "score in %")
    figures.legend(axis)
    return figure


def _line(axis: Any, points: list[tuple[int, float]], name: str, number: int) -> None:
    if points:
        style = figures.style(number)
        axis.plot([x for x, _ in points], [100 * y for _, y in points], ls="--", ms=4, label=name, **style)


_TITLES = {
    "observation 1": "Observation 1: two checkpoints of one run",
    "observation 2": "Observation 2: two runs of one start",
    "hypothesis 1": "Hypothesis 1: two auxiliary featurizers, not fine-tuned",
    "hypothesis 2": "Hypothesis 2: two runs of different starts",
    "three-way": "Three runs of different starts (λ: share of the first)",
}


def connectivity(found: Connectivity) -> Any:
    """A column for each kind of curve, held-out accuracy above, validation accuracy below."""
    kinds = [kind for kind in KINDS if any(line.kind == kind for line in found.lines)]
    rows = [
        (name, pick)
        for name, pick in (("held-out", _held_out), ("validation", _validation))
        if any(pick(line) for line in found.lines)
    ]
    if not kinds or not rows:
        return figures.empty(found.sentence)
    figure = figures.figure(4.2 * len(kinds), 3.8 * len(rows))
    axes = figure.subplots(len(rows), len(kinds), squeeze=False)
    for row, (name, pick) in enumerate(rows):
        for column, kind in enumerate(kinds):
            _panel(axes[row][column], [(line, pick(line)) for line in found.lines if line.kind == kind], found.order)
            figures.label(axes[row][column], _TITLES[kind], "λ", f"{name} accuracy in %")
    figure.suptitle(
        f"Accuracy on the way between networks, and polynomials of order {found.order} through it; "
        "dashed: the line between the scores of the ends"
    )
    return figure


def _held_out(line: ConnectivityLine) -> CurveSide | None:
    return line.held_out


def _validation(line: ConnectivityLine) -> CurveSide | None:
    return line.validation


def fit(accuracy: Sequence[float], order: int, at: Sequence[float]) -> list[float]:
    """The polynomial of this order with the least squared distance to a curve's points, at some λ."""
    found = np.polynomial.Polynomial.fit(POINTS, accuracy, order)
    return [float(one) for one in found(np.asarray(at))]


def _panel(axis: Any, lines: list[tuple[ConnectivityLine, CurveSide | None]], order: int) -> None:
    way = [number / 100 for number in range(101)]
    for number, (line, side) in enumerate(lines):
        if side is not None:
            style = figures.style(number)
            counted = [100 * one for one in side.accuracy]
            axis.plot(POINTS, counted, ls="none", label=" to ".join(line.ends), ms=4, **style)
            axis.plot(way, fit(counted, order, way), color=style["color"], lw=1.3)
            axis.plot(POINTS, [100 * one for one in side.line], "--", color=style["color"], lw=0.9, alpha=0.7)
    figures.legend(axis)


def diversity(found: Diversity) -> Any:
    """Panels a to d, left to right and down."""
    if not found.pairs:
        return figures.empty(found.sentence)
    figure = figures.figure(11, 8)
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
        for kind in PAIRS
    ]
    known = [(kind, values) for kind, values in groups if values]
    figures.label(axis, "a: pairs of runs", "q-diversity", "pairs")
    if not known:
        figures.nothing(axis, "no pair has a q-diversity here")
        return
    colours = [figures.COLOURS[PAIRS.index(kind)] for kind, _ in known]
    axis.hist([values for _, values in known], bins=12, color=colours, label=[kind for kind, _ in known])
    figures.legend(axis)


def _steps(axis: Any, found: Diversity) -> None:
    figures.label(axis, "b: over the steps of the runs (means over pairs)", "step", "q-diversity")
    for number, kind in enumerate(PAIRS):
        points = [
            (at.step, one.held_out.q_diversity)
            for at in found.steps
            for one in at.means
            if one.kind == kind and one.held_out.q_diversity is not None
        ]
        if points:
            axis.plot([x for x, _ in points], [y for _, y in points], label=kind, **figures.style(number))
    figures.legend(axis)


def _gain(axis: Any, found: Diversity) -> None:
    figures.label(axis, "c: what averaging two gains over their mean", "q-diversity", "gain in points")
    axis.axhline(0, color=figures.GREY, lw=0.8)
    every = []
    for number, kind in enumerate(PAIRS):
        points = [
            (q, 100 * pair.gain)
            for pair in found.pairs
            if pair.kind == kind and pair.gain is not None and (q := pair.held_out.q_diversity) is not None
        ]
        every += points
        if points:
            style = figures.style(number)
            axis.plot([x for x, _ in points], [y for _, y in points], ls="", ms=5, alpha=0.8, label=kind, **style)
    if found.slope is not None and every:
        start, slope = found.slope
        ends = [min(x for x, _ in every), max(x for x, _ in every)]
        name = "least squares" if found.gain is None else f"least squares, r = {found.gain.value:.2f}"
        axis.plot(ends, [100 * (start + slope * x) for x in ends], color=figures.GREY, label=name)
    figures.legend(axis)


def _shares(axis: Any, found: Diversity) -> None:
    figures.label(
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
                **figures.style(number),
            )
    figures.legend(axis)


_STARTS = {"pretrained": "foundation", "auxiliary": "auxiliary tasks", "fused": "mixed starts"}


def selection(found: Selection) -> Any:
    """Runs are small, final versions large; rings are around what validation chooses."""
    shown = [one for one in found.networks if one.validation is not None and one.held_out is not None]
    if not shown:
        return figures.empty(found.sentence)
    figure = figures.figure(7.5, 5.5)
    axis = figure.subplots()
    for number, (starts, name) in enumerate(_STARTS.items()):
        _points(axis, [one for one in shown if one.run and one.starts == starts], f"run, {name}", number, 5)
    finals = [one for one in shown if one.final]
    _points(axis, finals, "final version", 6, 9)
    for one in finals:
        if not one.run:
            axis.annotate(one.recipe, _place(one), xytext=(7, 4), textcoords="offset points", fontsize="x-small")
    for among, size in (("all runs", 13), ("final versions", 18)):
        choice = next((one for one in found.choices if one.among == among), None)
        if choice is not None:
            x, y = _place(found.networks[choice.chosen])
            axis.plot([x], [y], "o", ms=size, mfc="none", mec=figures.COLOURS[1], label=f"chosen of {among}")
    figures.label(axis, "In-domain against out-of-domain", "validation score in %", "held-out score in %")
    figures.legend(axis)
    return figure


def _points(axis: Any, networks: list[ScoredNetwork], name: str, number: int, size: int) -> None:
    if networks:
        places = [_place(one) for one in networks]
        style = figures.style(number)
        axis.plot([x for x, _ in places], [y for _, y in places], ls="", ms=size, alpha=0.75, label=name, **style)


def _place(one: ScoredNetwork) -> tuple[float, float]:
    return 100 * (one.validation or 0.0), 100 * (one.held_out or 0.0)
