"""The search page: by revision or its beginning, by names of aliases, tags, rounds, tasks and nodes, by messages."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.errors import Refusal
from ratatouille.record import Digest, Record
from registry.records import LogQuery
from registry.services.registry import Registry
from registry.web.page import Page, Query
from registry.web.summaries import VersionSummary, alone, summary

MOST = 50


class Named(Record):
    """An alias or a tag."""

    name: str
    version: Digest


class FoundRound(Record):
    """A round with that name or id."""

    id: str
    name: str
    state: str


class SearchPage(Record):
    """The content of the page."""

    q: str
    exact: VersionSummary | None
    """The version that the words name."""
    names: tuple[Named, ...]
    rounds: tuple[FoundRound, ...]
    tasks: tuple[str, ...]
    versions: tuple[VersionSummary, ...]
    """Versions of that task, contributor or with that message, latest first."""
    more: bool
    """Whether there are more versions than are listed."""

    @property
    def count(self) -> int:
        """The number of matches."""
        return (self.exact is not None) + len(self.names) + len(self.rounds) + len(self.tasks) + len(self.versions)


def page(registry: Registry, query: Query) -> Page:
    """The matches of some words; none for no words."""
    q = query.text("q")
    if not q:
        empty = SearchPage(q="", exact=None, names=(), rounds=(), tasks=(), versions=(), more=False)
        return Page("search.html.jinja", empty, {"q": ""})
    small = q.casefold()
    named = {**registry.releases.aliases(), **{tag.name: tag.version for tag in registry.releases.tags()}}
    rounds = [one for one in registry.rounds.rounds() if small in one.name.casefold() or one.id.startswith(small)]
    tasks = [task.name for task in registry.definitions.tasks() if small in task.name.casefold()]
    queries = [LogQuery(text=q), LogQuery(contributor=q[:80]), *(LogQuery(task=task) for task in tasks if task == q)]
    versions = _versions(registry, queries)
    view = SearchPage(
        q=q,
        exact=_exact(registry, q),
        names=tuple(Named(name=name, version=id) for name, id in named.items() if small in name.casefold())[:MOST],
        rounds=tuple(FoundRound(id=one.id, name=one.name, state=one.state) for one in rounds[:MOST]),
        tasks=tuple(tasks[:MOST]),
        versions=tuple(versions[:MOST]),
        more=len(versions) > MOST,
    )
    return Page("search.html.jinja", view, {"q": q})


def _exact(registry: Registry, q: str) -> VersionSummary | None:
    try:
        return next(iter(alone(registry, q)), None)
    except Refusal:  # the words name no version, or several
        return None


def _versions(registry: Registry, queries: Sequence[LogQuery]) -> list[VersionSummary]:
    found: dict[str, VersionSummary] = {}
    for query in queries:
        try:
            found |= {entry.id: summary(entry) for entry in registry.versions.log(query, limit=MOST + 1)}
        except Refusal:  # no contributor has this name
            continue
    return sorted(found.values(), key=lambda one: -one.created)
