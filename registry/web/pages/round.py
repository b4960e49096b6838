"""A round: its graph, its versions one by one, the releases out of it, and its log."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.errors import Refusal
from ratatouille.record import Record
from registry.records import ALIVE, Event, LogQuery, RoundRecord
from registry.services.registry import Registry
from registry.web.asked import Asked, NotThere
from registry.web.brief import Brief, brief
from registry.web.cells import cells
from registry.web.feed import Feed
from registry.web.listing import recent_moves, targets_of
from registry.web.page import Page
from registry.web.pages.history import MOST_OPEN, RoundView, drawn, view
from registry.web.pages.live import Progress, progress

PAGE = 50
MOST_RESULTS = 8


class Share(Record):
    """An accuracy, with the half-width of its 95 % interval over images."""

    value: float
    margin: float


class Result(Record):
    """What an average of the round scores, by domain and split."""

    version: Brief
    scores: dict[str, Share]


class RoundPage(Record):
    """What the page says."""

    round: RoundView
    progress: Progress
    alive: bool
    spec: str
    """The settings, resolved, as JSON text."""
    versions: tuple[Brief, ...]
    """Some of the round's versions, latest first."""
    earlier: int | None
    """Number that continues the list, as `before`."""
    lines: tuple[Event, ...]
    results: tuple[Result, ...]
    """The latest averages of the round that were counted."""
    counted: tuple[str, ...]
    """Domains and splits of the results, those of held-out images first."""


def page(feed: Feed, registry: Registry, asked: Asked) -> Page:
    """One round.

    Raises:
        NotThere: for a name or id that is no round's.
    """
    record = _round(registry, asked.path["round"])
    whole = view(registry, record, recent_moves(registry))
    opened = asked.all("open", MOST_OPEN)
    before = asked.number("before", 0, 0, 10**9 - 1) or None
    entries = registry.versions.log(LogQuery(round=record.id), before, PAGE + 1)
    told = feed.look(record.id)
    results = _results(registry, [one for one in whole.versions if one.rule == "combine"])
    shown = RoundPage(
        round=whole,
        progress=progress(feed, record),
        alive=record.state in ALIVE,
        spec=record.spec,
        versions=tuple(brief(entry) for entry in entries[:PAGE]),
        earlier=entries[PAGE - 1].number if len(entries) > PAGE else None,
        lines=tuple(reversed(told.lines)),
        results=tuple(results),
        counted=tuple(dict.fromkeys(name for result in results for name in result.scores)),
    )
    drawings = drawn(whole, targets_of(registry), opened)
    return Page("round.html.jinja", shown, {"drawings": drawings, "opened": opened, "continued": before is not None})


def _results(registry: Registry, averages: Sequence[Brief]) -> list[Result]:
    """Averages with counts on all images of a domain, the latest first."""
    found = []
    for version in averages[:MOST_RESULTS]:
        scores = {
            f"{cell.domain} {cell.split}": Share(value=cell.accuracy, margin=cell.margin)
            for cell in cells(registry.versions.show(version.id).evaluations)
            if cell.slice == "all" and not cell.trial and cell.accuracy is not None and cell.margin is not None
        }
        if scores:
            found.append(Result(version=version, scores=scores))
    return found


def _round(registry: Registry, id_or_name: str) -> RoundRecord:
    try:
        return registry.rounds.round(id_or_name)
    except Refusal as refusal:
        raise NotThere(str(refusal)) from refusal
