"""The figure of selection: validation against held-out score of all runs and final versions, and who is chosen."""

from __future__ import annotations

from typing import Any

from ratatouille.analysis import plots
from ratatouille.analysis.selection import Network, Selection

_STARTS = {"pretrained": "foundation", "auxiliary": "auxiliary tasks", "fused": "mixed starts"}


def draw(found: Selection) -> Any:
    """Runs are small, final versions large; rings are around what validation chooses."""
    shown = [one for one in found.networks if one.validation is not None and one.held_out is not None]
    if not shown:
        return plots.empty(found.sentence)
    figure = plots.figure(7.5, 5.5)
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
            axis.plot([x], [y], "o", ms=size, mfc="none", mec=plots.COLOURS[1], label=f"chosen of {among}")
    plots.label(axis, "In-domain against out-of-domain", "validation score in %", "held-out score in %")
    plots.legend(axis)
    return figure


def _points(axis: Any, networks: list[Network], name: str, number: int, size: int) -> None:
    if networks:
        places = [_place(one) for one in networks]
        style = plots.style(number)
        axis.plot([x for x, _ in places], [y for _, y in places], ls="", ms=size, alpha=0.75, label=name, **style)


def _place(one: Network) -> tuple[float, float]:
    return 100 * (one.validation or 0.0), 100 * (one.held_out or 0.0)
