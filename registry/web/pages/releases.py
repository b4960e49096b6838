"""The page of releases: the versions that an alias pointed at, and a metric from one release to the next."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.record import Record
from registry.presentation.scores import ScoredCell, scored_cells
from registry.records import AliasMove, TagRecord
from registry.services.registry import Registry
from registry.web.drawing.plot import Plot, Value, plot
from registry.web.page import NotThere, Page, Query
from registry.web.summaries import MOST_ALIASES, VersionSummary, summary
from registry.web.templating import short, version_path

PAGE = 24
"""Releases in one plot."""
METRICS = ("accuracy", "balanced_accuracy")
MOST_TAGS = 200
PREFERRED = ("stable", "latest")


class ReleaseScore(Record):
    """A metric of one release."""

    value: float
    margin: float | None
    images: int


class Release(Record):
    """One move of the alias, with what its version scores."""

    move: AliasMove
    version: VersionSummary
    scores: dict[str, ReleaseScore]
    """By series."""


class Choices(Record):
    """The counts that are shown, and those that could be."""

    metric: str
    task: str | None
    tasks: tuple[str, ...]
    domain: str | None
    """The only domain that is shown; None for all."""
    domains: tuple[str, ...]
    slice: str
    slices: tuple[str, ...]


class ReleasesPage(Record):
    """The content of the page."""

    alias: str | None
    aliases: tuple[str, ...]
    choices: Choices
    series: tuple[str, ...]
    """Domains and splits that were counted, those on held-out images first."""
    releases: tuple[Release, ...]
    """Latest first."""
    continued: bool
    """False: these are the latest."""
    earlier: int | None
    """Number of the move that the next page is `before`."""
    tags: tuple[TagRecord, ...]


def page(registry: Registry, query: Query) -> Page:
    """An alias's releases.

    Raises:
        NotThere: for an alias that never pointed anywhere.
    """
    aliases = tuple(registry.releases.aliases(limit=MOST_ALIASES))
    alias = query.text("alias") or next((name for name in PREFERRED if name in aliases), next(iter(aliases), None))
    before = query.number("before", 0, 0, 10**9 - 1) or None
    moves = registry.releases.alias_history(alias, before, PAGE + 1) if alias else []
    if alias is not None and not moves and before is None:
        raise NotThere(f"there is no alias {alias!r}; the aliases are {', '.join(aliases) or 'none yet'}")
    counted = [_counted(registry, move) for move in moves[:PAGE]]
    choices = _choices(query, [cell for _, _, each in counted for cell in each])
    chosen = [_chosen(each, choices) for _, _, each in counted]
    view = ReleasesPage(
        alias=alias,
        aliases=aliases,
        choices=choices,
        series=tuple(dict.fromkeys(_name(cell) for each in chosen for cell in each)),
        releases=tuple(
            Release(move=move, version=version, scores=_scores(each, choices.metric))
            for (move, version, _), each in zip(counted, chosen, strict=True)
        ),
        continued=before is not None,
        earlier=moves[PAGE - 1].number if len(moves) > PAGE else None,
        tags=tuple(registry.releases.tags(limit=MOST_TAGS)),
    )
    return Page("releases.html.jinja", view, {"plots": plots(view) if view.series else ()})


def _choices(query: Query, cells: Sequence[ScoredCell]) -> Choices:
    """The choices that a query makes among the counts; the first task, all domains and all images if nothing is."""
    metric = query.choice("metric", METRICS, METRICS[0])
    tasks = tuple(dict.fromkeys(cell.task for cell in cells))
    task = query.choice("task", tasks, tasks[0]) if tasks else None
    domains = tuple(dict.fromkeys(cell.domain for cell in cells if cell.task == task))
    slices = tuple(dict.fromkeys(cell.slice for cell in cells if cell.task == task))
    return Choices(
        metric=metric,
        task=task,
        tasks=tasks,
        domain=query.choice("domain", ("", *domains), "") or None,
        domains=domains,
        slice=query.choice("slice", slices, "all" if "all" in slices else slices[0]) if slices else "all",
        slices=slices,
    )


def plots(view: ReleasesPage) -> tuple[Plot, Plot]:
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


def _counted(registry: Registry, move: AliasMove) -> tuple[AliasMove, VersionSummary, tuple[ScoredCell, ...]]:
    details = registry.versions.show(move.version)
    return move, summary(details.entry), scored_cells(details.evaluations)


def _chosen(counted: Sequence[ScoredCell], choices: Choices) -> list[ScoredCell]:
    """Cells of the split for life; those of other trials count other images."""
    ours = [cell for cell in counted if cell.task == choices.task and cell.slice == choices.slice and not cell.trial]
    return [cell for cell in ours if choices.domain in (None, cell.domain)]


def _name(cell: ScoredCell) -> str:
    return f"{cell.domain} {cell.split}"


def _scores(counted: Sequence[ScoredCell], metric: str) -> dict[str, ReleaseScore]:
    found = {}
    for cell in counted:
        value = cell.metric(metric)
        if value is not None:
            margin = cell.margin if metric == "accuracy" else None
            found[_name(cell)] = ReleaseScore(value=value, margin=margin, images=cell.images)
    return found


def _label(release: Release) -> str:
    """The name of a release on the axis: its tag, or the beginning of its id."""
    other = [name for name in release.version.names if name != release.move.name and "-" in name]
    return other[0] if other else short(release.version.id)[:7]
