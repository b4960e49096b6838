"""A metric over releases: a line for each domain, with intervals, from the first release to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.web.drawing.axes import Axis, axis

HEIGHT, TOP, BOTTOM, LEFT = 340, 16, 46, 44
LABEL_PITCH = 16
NARROW_EDGE = 26
"""Room for half of the last release's name, where no names of series need it."""
ASIDE = 7.0
"""Pixels between the series at one release, so that intervals of equal values do not cover each other."""
SERIES = 6
"""Lines that have a colour and a shape of their own; more are not drawn."""


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
