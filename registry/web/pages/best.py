"""The page of the best versions for a task, ranked by what was counted of them."""

from __future__ import annotations

from typing import get_args

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from ratatouille.record import Record
from registry.lists import every
from registry.presentation.history import ranking_sentence
from registry.records import DomainScore, Metric, Ranked, Ranking
from registry.services.registry import Registry
from registry.web.page import NotThere, Page, Query
from registry.web.summaries import VersionSummary, summary

MOST = 20
MOST_DOMAINS = 6
"""Domains that have a column of their own."""
MOST_TRIAL = 999
MOST_NAMED = 20
"""Tasks that a refusal names."""


class WantedRanking(Record):
    """The parameters of a ranking; the registry chooses those that are None."""

    task: str
    domain: str | None
    """None: the mean over the domains."""
    split: Split | None
    metric: Metric | None
    slice: Slice
    trial: int
    """The trial whose split of the images is counted."""


class RankedPlace(Record):
    """One version in the ranking."""

    version: VersionSummary
    value: float
    margin: float
    """Half-width of the 95 % interval over images."""
    images: int
    domains: tuple[DomainScore, ...]
    """What the value is the mean of; empty for a ranking on one domain."""
    self_reported: bool
    """Whether only the member who made the version counted this."""


class BestPage(Record):
    """The content of the page."""

    wanted: WantedRanking | None
    """None: no task is defined yet."""
    tasks: tuple[str, ...]
    """Target tasks first."""
    domains: tuple[str, ...]
    """Those of the task."""
    metric: Metric | None
    sentence: str
    """What the ranking is by, or why there is none."""
    columns: tuple[str, ...]
    """Domains that are shown one by one."""
    places: tuple[RankedPlace, ...]


def page(registry: Registry, query: Query) -> Page:
    """A ranking.

    Raises:
        NotThere: for a task that is not defined.
    """
    tasks = list(every(lambda last: registry.definitions.tasks(last.name if last else "")))
    tasks.sort(key=lambda task: (task.kind != "target", task.name))
    names = tuple(task.name for task in tasks)
    name = query.text("task") or next(iter(names), "")
    if name and name not in names:
        raise NotThere(f"there is no task {name!r}; the tasks are {', '.join(names[:MOST_NAMED]) or 'none yet'}")
    wanted = _wanted(query, name) if name else None
    found = _ranking(registry, wanted) if wanted else "No task is defined yet."
    ranking = found if isinstance(found, Ranking) else None
    domains = ranking.domains if ranking and wanted and wanted.domain is None else ()
    view = BestPage(
        wanted=wanted,
        tasks=names,
        domains=next((task.domains for task in tasks if task.name == name), ()),
        metric=ranking.metric if ranking else None,
        sentence=found if isinstance(found, str) else ranking_sentence(found),
        columns=domains if 1 < len(domains) <= MOST_DOMAINS else (),
        places=tuple(_place(one) for one in ranking.versions) if ranking else (),
    )
    words = {"splits": get_args(Split), "metrics": get_args(Metric), "slices": get_args(Slice)}
    return Page("best.html.jinja", view, words)


def _wanted(query: Query, task: str) -> WantedRanking:
    values = {
        "task": task,
        "domain": query.text("domain") or None,
        "split": query.choice("split", ("", *get_args(Split)), "") or None,
        "metric": query.choice("metric", ("", *get_args(Metric)), "") or None,
        "slice": query.choice("slice", get_args(Slice), "all"),
        "trial": query.number("trial", 0, 0, MOST_TRIAL),
    }
    return WantedRanking.model_validate(values)


def _ranking(registry: Registry, wanted: WantedRanking) -> Ranking | str:
    """The ranking, or why there is none."""
    try:
        which = (wanted.task, wanted.domain, wanted.split, wanted.metric, wanted.slice, wanted.trial)
        return registry.versions.best(*which, limit=MOST)
    except Refusal as refusal:
        return str(refusal)


def _place(one: Ranked) -> RankedPlace:
    return RankedPlace(
        version=summary(one.entry),
        value=one.value,
        margin=one.margin,
        images=one.images,
        domains=one.domains,
        self_reported=one.self_reported,
    )
