"""Releases: where an alias pointed, and how a metric went from one release to the next."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.record import Record
from registry.port import Registry
from registry.records import AliasMove, TagRecord
from registry.web.asked import Asked, NotThere
from registry.web.brief import Brief, brief
from registry.web.cells import Cell, cells
from registry.web.drawing.plot import Plot, Value, plot
from registry.web.page import Page
from registry.web.templating import short, version_path

PAGE = 24
"""Releases in one plot."""
METRICS = ("accuracy", "balanced_accuracy")
PREFERRED = ("stable", "latest")


class Score(Record):
    """A metric of one release."""

    value: float
    margin: float | None
    images: int


class Release(Record):
    """One move of the alias, with what its version scores."""

    move: AliasMove
    version: Brief
    scores: dict[str, Score]
    """By series."""


class Releases(Record):
    """What the page says."""

    alias: str | None
    aliases: tuple[str, ...]
    task: str | None
    tasks: tuple[str, ...]
    domain: str | None
    """The only domain that is shown; None for all."""
    domains: tuple[str, ...]
    slice: str
    slices: tuple[str, ...]
    metric: str
    series: tuple[str, ...]
    """Domains and splits that were counted, those on held-out images first."""
    releases: tuple[Release, ...]
    """Latest first."""
    page: int
    pages: int
    tags: tuple[TagRecord, ...]


def page(registry: Registry, asked: Asked) -> Page:
    """An alias's releases.

    Raises:
        NotThere: for an alias that never pointed anywhere.
    """
    aliases = tuple(registry.aliases())
    alias = asked.text("alias") or next((name for name in PREFERRED if name in aliases), next(iter(aliases), None))
    metric = asked.choice("metric", METRICS, METRICS[0])
    if alias is not None and alias not in aliases:
        raise NotThere(f"there is no alias {alias!r}; the aliases are {', '.join(aliases) or 'none yet'}")
    moves = registry.alias_history(alias) if alias else []
    pages = max(1, -(-len(moves) // PAGE))
    number = asked.number("page", 1, 1, pages)
    counted = [_counted(registry, move) for move in moves[PAGE * (number - 1) : PAGE * number]]
    tasks = tuple(dict.fromkeys(cell.task for _, _, each in counted for cell in each))
    task = asked.choice("task", tasks, tasks[0]) if tasks else None
    domains = tuple(dict.fromkeys(cell.domain for _, _, each in counted for cell in each if cell.task == task))
    domain = asked.choice("domain", ("", *domains), "") or None
    slices = tuple(dict.fromkeys(cell.slice for _, _, each in counted for cell in each if cell.task == task))
    slice_ = asked.choice("slice", slices, "all" if "all" in slices else slices[0]) if slices else "all"
    chosen = [_chosen(each, task, domain, slice_) for _, _, each in counted]
    series = tuple(dict.fromkeys(_name(cell) for each in chosen for cell in each))
    view = Releases(
        alias=alias,
        aliases=aliases,
        task=task,
        tasks=tasks,
        domain=domain,
        domains=domains,
        slice=slice_,
        slices=slices,
        metric=metric,
        series=series,
        releases=tuple(
            Release(move=move, version=version, scores=_scores(each, metric))
            for (move, version, _), each in zip(counted, chosen, strict=True)
        ),
        page=number,
        pages=pages,
        tags=tuple(registry.tags()),
    )
    return Page("releases.html.jinja", view, {"plots": plots(view) if series else ()})


def plots(view: Releases) -> tuple[Plot, Plot]:
    """The plot for wide and for narrow screens."""
    oldest_first = view.releases[::-1]
    names = [_label(release) for release in oldest_first]
    series = [(name, _values(oldest_first, name)) for name in view.series]
    room = 7 * max(map(len, view.series)) + 16
    return plot(names, series, 1040, room), plot(names, series, 320, 0)


def _values(releases: Sequence[Release], name: str) -> list[Value]:
    found = []
    for place, release in enumerate(releases):
        score = release.scores.get(name)
        if score is None:
            continue
        margin = "" if score.margin is None else f" ± {100 * score.margin:.1f}"
        title = f"{_label(release)}, {name}: {100 * score.value:.1f}{margin} %"
        scaled = None if score.margin is None else 100 * score.margin
        found.append(Value(place, 100 * score.value, scaled, title, version_path(release.version.id)))
    return found


def _counted(registry: Registry, move: AliasMove) -> tuple[AliasMove, Brief, tuple[Cell, ...]]:
    details = registry.show(move.version)
    return move, brief(details.entry), cells(details.evaluations)


def _chosen(counted: Sequence[Cell], task: str | None, domain: str | None, slice_: str) -> list[Cell]:
    """Cells of the split for life; those of other trials count other images."""
    return [
        cell
        for cell in counted
        if cell.task == task and cell.domain == (domain or cell.domain) and cell.slice == slice_ and not cell.trial
    ]


def _name(cell: Cell) -> str:
    return f"{cell.domain} {cell.split}"


def _scores(counted: Sequence[Cell], metric: str) -> dict[str, Score]:
    found = {}
    for cell in counted:
        value = cell.metric(metric)
        if value is not None:
            margin = cell.margin if metric == "accuracy" else None
            found[_name(cell)] = Score(value=value, margin=margin, images=cell.images)
    return found


def _label(release: Release) -> str:
    """What a release is called on the axis: its tag, or the beginning of its id."""
    other = [name for name in release.version.names if name != release.move.name and "-" in name]
    return other[0] if other else short(release.version.id)[:7]
