"""The best versions for a task, by what was counted of them."""

from __future__ import annotations

from typing import get_args

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from ratatouille.record import Record
from registry.lists import every
from registry.presentation.sentences import about
from registry.records import DomainScore, Metric, Ranked, Ranking
from registry.services.registry import Registry
from registry.web.asked import Asked, NotThere
from registry.web.brief import Brief, brief
from registry.web.page import Page

MOST = 20
MOST_DOMAINS = 6
"""Domains that have a column of their own."""
MOST_TRIAL = 999
MOST_NAMED = 20
"""Tasks that a refusal names."""


class Wanted(Record):
    """Which ranking; what is None is chosen by the registry."""

    task: str
    domain: str | None
    """None: the mean over the domains."""
    split: Split | None
    metric: Metric | None
    slice: Slice
    trial: int
    """Whose split of the images."""


class Place(Record):
    """One version in the ranking."""

    version: Brief
    value: float
    margin: float
    """Half-width of the 95 % interval over images."""
    images: int
    domains: tuple[DomainScore, ...]
    """What the value is the mean of; empty for a ranking on one domain."""


class Best(Record):
    """What the page says."""

    wanted: Wanted | None
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
    places: tuple[Place, ...]


def page(registry: Registry, asked: Asked) -> Page:
    """A ranking.

    Raises:
        NotThere: for a task that is not defined.
    """
    tasks = list(every(lambda last: registry.definitions.tasks(last.name if last else "")))
    tasks.sort(key=lambda task: (task.kind != "target", task.name))
    names = tuple(task.name for task in tasks)
    name = asked.text("task") or next(iter(names), "")
    if name and name not in names:
        raise NotThere(f"there is no task {name!r}; the tasks are {', '.join(names[:MOST_NAMED]) or 'none yet'}")
    wanted = _wanted(asked, name) if name else None
    found = _ranking(registry, wanted) if wanted else "No task is defined yet."
    ranking = found if isinstance(found, Ranking) else None
    domains = ranking.domains if ranking and wanted and wanted.domain is None else ()
    view = Best(
        wanted=wanted,
        tasks=names,
        domains=next((task.domains for task in tasks if task.name == name), ()),
        metric=ranking.metric if ranking else None,
        sentence=found if isinstance(found, str) else about(found),
        columns=domains if 1 < len(domains) <= MOST_DOMAINS else (),
        places=tuple(_place(one) for one in ranking.versions) if ranking else (),
    )
    words = {"splits": get_args(Split), "metrics": get_args(Metric), "slices": get_args(Slice)}
    return Page("best.html.jinja", view, words)


def _wanted(asked: Asked, task: str) -> Wanted:
    values = {
        "task": task,
        "domain": asked.text("domain") or None,
        "split": asked.choice("split", ("", *get_args(Split)), "") or None,
        "metric": asked.choice("metric", ("", *get_args(Metric)), "") or None,
        "slice": asked.choice("slice", get_args(Slice), "all"),
        "trial": asked.number("trial", 0, 0, MOST_TRIAL),
    }
    return Wanted.model_validate(values)


def _ranking(registry: Registry, wanted: Wanted) -> Ranking | str:
    """The ranking, or why there is none."""
    try:
        which = (wanted.task, wanted.domain, wanted.split, wanted.metric, wanted.slice, wanted.trial)
        return registry.versions.best(*which, limit=MOST)
    except Refusal as refusal:
        return str(refusal)


def _place(one: Ranked) -> Place:
    return Place(version=brief(one.entry), value=one.value, margin=one.margin, images=one.images, domains=one.domains)
