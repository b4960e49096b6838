"""The curve of a training: validation score and losses over the steps, and the step that was kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratatouille.exchange.receipt import CurvePoint
from registry.web.drawing.axes import Axis, axis

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 480, 200, 44, 12, 14, 30
MOST_POINTS = 400
"""More are thinned out; the first and the last stay."""


@dataclass(frozen=True)
class Line:
    """One quantity over the steps."""

    name: str
    series: int
    points: str
    """As SVG's `polyline` wants them."""


@dataclass(frozen=True)
class Curve:
    """A plot of some quantities."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    kept: float | None
    """Where the kept step is, in pixels."""
    width: int = WIDTH
    height: int = HEIGHT


def curves(points: Sequence[CurvePoint], kept: int | None) -> tuple[Curve, ...]:
    """Two plots: scores in percent, and losses; none for a training without a curve."""
    if not points:
        return ()
    points = _thinned(points)
    steps = [float(point.step) for point in points]
    scores = [(step, 100 * point.score) for step, point in zip(steps, points, strict=True)]
    losses = [(step, point.validation_loss) for step, point in zip(steps, points, strict=True)]
    training = [(float(point.step), point.loss) for point in points if point.loss is not None]
    return (
        _curve("Validation score in %", {"validation score": scores}, steps, kept),
        _curve("Loss", {"validation loss": losses, "training loss": training}, steps, kept),
    )


def _curve(title: str, lines: dict[str, list[tuple[float, float]]], steps: Sequence[float], kept: int | None) -> Curve:
    x = axis(steps, LEFT, WIDTH - RIGHT, low=0.0)
    y = axis([value for line in lines.values() for _, value in line], HEIGHT - BOTTOM, TOP, ticks=4)
    drawn = tuple(
        Line(name, number, " ".join(f"{x.at(step)},{y.at(value)}" for step, value in line))
        for number, (name, line) in enumerate(lines.items())
        if line
    )
    return Curve(title, x, y, drawn, None if kept is None else x.at(float(kept)))


def _thinned(points: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    if len(points) <= MOST_POINTS:
        return points
    return [points[round(place * (len(points) - 1) / (MOST_POINTS - 1))] for place in range(MOST_POINTS)]
