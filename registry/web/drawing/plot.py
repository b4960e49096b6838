"""Plots: axes with round numbers, the curve of a training over its steps, and a metric over releases with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratatouille.exchange.receipt import CurvePoint

CURVE_WIDTH, CURVE_HEIGHT, CURVE_LEFT, CURVE_TOP, CURVE_RIGHT, CURVE_BOTTOM = 480, 200, 44, 12, 14, 30
MOST_POINTS = 400
"""More are thinned out; the first and the last stay."""
HEIGHT, TOP, BOTTOM, LEFT = 340, 16, 46, 44
LABEL_PITCH = 16
NARROW_EDGE = 26
"""Room for half of the last release's name, where no names of series need it."""
ASIDE = 7.0
"""Pixels between the series at one release, so that intervals of equal values do not cover each other."""
SERIES = 6
"""Lines that have a colour and a shape of their own; more are not drawn."""


@dataclass(frozen=True)
class Axis:
    """One direction of a plot: values from `low` to `high` lie between the pixels `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Where a value lies, to a tenth of a pixel; what is outside lies at the border."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def label(self, tick: float) -> str:
        """A tick's number, with as many digits as tell it from the next."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def axis(values: Iterable[float], start: float, end: float, ticks: int = 5, low: float | None = None) -> Axis:
    """An axis around some values, from the round number below to the one above.

    Args:
        values: what must lie on it.
        start: pixel of the smallest.
        end: pixel of the largest.
        ticks: about so many round numbers.
        low: where it begins, whatever the values are.
    """
    finite = [value for value in values if math.isfinite(value)]
    least, most = min(finite, default=0.0), max(finite, default=1.0)
    least = least if low is None else min(low, least)
    if most - least < 1e-9:
        least, most = least - 0.5, most + 0.5
    step = _round_step((most - least) / max(1, ticks))
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    marks = tuple(step * number for number in range(first, last + 1))
    return Axis(marks[0], marks[-1], start, end, marks)


def _round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, at least as large as wanted."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return power * next(step for step in (1, 2, 5, 10) if step * power >= wanted * (1 - 1e-9))


@dataclass(frozen=True)
class CurveLine:
    """One quantity over the steps."""

    name: str
    series: int
    points: str
    """As SVG's `polyline` wants them."""


@dataclass(frozen=True)
class CurvePlot:
    """A plot of some quantities."""

    title: str
    x: Axis
    y: Axis
    lines: tuple[CurveLine, ...]
    kept: float | None
    """Where the kept step is, in pixels."""
    width: int = CURVE_WIDTH
    height: int = CURVE_HEIGHT


def curves(points: Sequence[CurvePoint], kept: int | None) -> tuple[CurvePlot, ...]:
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


def _curve(
    title: str, lines: dict[str, list[tuple[float, float]]], steps: Sequence[float], kept: int | None
) -> CurvePlot:
    x = axis(steps, CURVE_LEFT, CURVE_WIDTH - CURVE_RIGHT, low=0.0)
    y = axis([value for line in lines.values() for _, value in line], CURVE_HEIGHT - CURVE_BOTTOM, CURVE_TOP, ticks=4)
    drawn = tuple(
        CurveLine(name, number, " ".join(f"{x.at(step)},{y.at(value)}" for step, value in line))
        for number, (name, line) in enumerate(lines.items())
        if line
    )
    return CurvePlot(title, x, y, drawn, None if kept is None else x.at(float(kept)))


def _thinned(points: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    if len(points) <= MOST_POINTS:
        return points
    return [points[round(place * (len(points) - 1) / (MOST_POINTS - 1))] for place in range(MOST_POINTS)]


@dataclass(frozen=True)
class Value:
    """A value of one series at one release."""

    release: int
    value: float
    margin: float | None
    title: str
    href: str


@dataclass(frozen=True)
class Point:
    """A value on the picture; `low` and `high` are the ends of its interval."""

    x: float
    y: float
    low: float
    high: float
    title: str
    href: str


@dataclass(frozen=True)
class Series:
    """One line, with where its name is written at its end."""

    name: str
    number: int
    line: str
    points: tuple[Point, ...]
    label: float


@dataclass(frozen=True)
class Mark:
    """A release on the axis."""

    x: float
    name: str
    shown: bool
    """Whether there is room for its name."""


@dataclass(frozen=True)
class Plot:
    """The whole picture."""

    width: float
    height: float
    right: float
    """Where the lines end and their names begin."""
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...]


def plot(releases: Sequence[str], series: Sequence[tuple[str, Sequence[Value]]], width: float, names: float) -> Plot:
    """Lay a plot out.

    Args:
        releases: names of the releases, oldest first.
        series: values in percent by name.
        width: of the picture.
        names: room for the series' names on the right; 0 writes none.
    """
    series = series[:SERIES]
    ends = [end for _, values in series for one in values for end in _interval(one)]
    y = axis(ends, HEIGHT - BOTTOM, TOP)
    right = width - max(names, NARROW_EDGE)
    gap = (right - LEFT - 40) / max(1, len(releases) - 1)
    xs = [LEFT + 24 + gap * place if len(releases) > 1 else (LEFT + right) / 2 for place in range(len(releases))]
    aside = [round(ASIDE * (number - (len(series) - 1) / 2), 1) for number in range(len(series))]
    drawn = [
        _series(name, number, values, [round(x + aside[number], 1) for x in xs], y)
        for number, (name, values) in enumerate(series)
        if values
    ]
    every = max(1, int(-(-62 // gap))) if len(releases) > 1 else 1
    last = len(releases) - 1
    marks = tuple(Mark(round(xs[place], 1), name, (last - place) % every == 0) for place, name in enumerate(releases))
    return Plot(width, HEIGHT, right, y, _apart(drawn), marks)


def _interval(one: Value) -> tuple[float, float]:
    margin = one.margin or 0.0
    return max(0.0, one.value - margin), min(100.0, one.value + margin)


def _series(name: str, number: int, values: Sequence[Value], xs: Sequence[float], y: Axis) -> Series:
    points = []
    for one in values:
        low, high = _interval(one)
        points.append(Point(xs[one.release], y.at(one.value), y.at(low), y.at(high), one.title, one.href))
    line = " ".join(f"{point.x},{point.y}" for point in points)
    return Series(name, number, line, tuple(points), points[-1].y)


def _apart(series: Sequence[Series]) -> tuple[Series, ...]:
    """Names at the ends of the lines, moved so far that none covers another."""
    placed: list[Series] = []
    below = float(TOP - LABEL_PITCH)
    for one in sorted(series, key=lambda one: (one.label, one.number)):
        at = max(one.label, below + LABEL_PITCH)
        placed.append(Series(one.name, one.number, one.line, one.points, at))
        below = at
    return tuple(placed)
