"""The table of `ratatouille best --task`: the ranking of a task's versions, and what it is a ranking by."""

from __future__ import annotations

from collections.abc import Sequence

from ratatouille.cli import output
from ratatouille.exchange.assignment import Slice, Split
from registry.commands.opened import opened
from registry.presentation import history
from registry.presentation.sentences import about
from registry.records import Metric, Ranked

MOST_DOMAINS = 4
"""Domains that have a column of their own."""


def rank(
    task: str,
    domain: str | None,
    split: Split | None,
    metric: Metric | None,
    slice: Slice,
    trial: int,
    limit: int,
    remote: str | None,
    as_json: bool,
) -> None:
    """Ask for a ranking and show it."""
    with opened(remote) as registry:
        found = registry.versions.best(task, domain, split, metric, slice, trial, limit)
    if as_json:
        output.print_json(found)
        return
    domains = found.domains if domain is None and 1 < len(found.domains) <= MOST_DOMAINS else ()
    columns = ("", "version", "made by", "contributor", "when (UTC)", found.metric.replace("_", " "), "±")
    rows = [_row(place, one, domains) for place, one in enumerate(found.versions, 1)]
    output.print_table((*columns, *domains, "images", "aliases"), rows)
    output.print_line(about(found))


def _row(place: int, one: Ranked, domains: Sequence[str]) -> tuple[str, ...]:
    values = {each.domain: each.value for each in one.domains}
    entry = one.entry
    return (
        str(place),
        output.short(entry.id),
        history.made_by(entry),
        history.contributor(entry),
        output.when(entry.created),
        output.percent(one.value),
        output.percent(one.margin),
        *(output.percent(values.get(domain)) for domain in domains),
        str(one.images),
        " ".join(entry.aliases),
    )
