"""Evaluations of versions: the ranking of `best --task`, and the counts that `evaluate --by-nodes` asks of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ratatouille.cli import output
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Slice, Split
from ratatouille.wording import number_of
from registry.commands.opened import opened
from registry.presentation import history
from registry.presentation.history import ranking_sentence
from registry.presentation.lineage import trained_size
from registry.records import Metric, Ranked
from registry.services.registry import Registry

MOST_DOMAINS = 4
"""Domains that have a column of their own."""
NodeSplit = Literal["train", "validation", "test", "all"]


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
    layout = output.TableLayout(
        (*columns, *domains, "images", "aliases"),
        drop=("when (UTC)", "images", "contributor", *reversed(domains), "made by", "aliases"),
    )
    output.print_table(layout, [_row(place, one, domains) for place, one in enumerate(found.versions, 1)])
    output.print_line(ranking_sentence(found))


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
        " ".join((*entry.aliases, *(("(self-reported)",) if one.self_reported else ()))),
    )


def ask_nodes(
    registry: Registry, revisions: Sequence[str], image_size: int | None, split: NodeSplit, as_json: bool
) -> None:
    """Ask for counts of each version on every domain that nodes which are here hold, and say what is open.

    Raises:
        Refusal: for a version that nodes do not count: retracted, without a head, or with one that was imported.
    """
    owed = []
    for revision in revisions:
        details = registry.versions.show(revision)
        size = image_size or trained_size(registry, details)
        if size is None:
            raise Refusal(f"nobody trained {revision} or what it comes from; say with --image-size how many pixels")
        owed += registry.work.owe(details.entry.id, size, split)
    if as_json:
        output.print_json({"owed": owed})
        return
    for one in owed:
        output.print_line(one.order.label)
    if owed:
        where = "a coordinator orders from nodes as soon as these are free"
        if registry.info().fleet is None:
            where = "no coordinator is up yet"
        asked = number_of(len(owed), "evaluation is", "evaluations are")
        output.print_line(f"{asked} asked of nodes; {where}. `ratatouille show` shows the counts.")
    else:
        output.print_line("nothing is open: it was counted, or no node that is here holds data of its task")
