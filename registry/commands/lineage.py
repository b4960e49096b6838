"""`ratatouille lineage`: what a version was made from, what was made from it, and whose work it is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from registry.commands.ancestry import dot_of, tree_of
from registry.commands.opened import opened
from registry.commands.read import Revision
from registry.presentation import history
from registry.presentation.shares import total_share
from registry.records import Contribution


def lineage(
    revision: Revision,
    depth: Annotated[int, typer.Option(min=1, max=10_000, help="How many steps.")] = 100,
    descendants: Annotated[
        bool, typer.Option("--descendants", help="What was made from it, instead of what it was made from.")
    ] = False,
    contributions: Annotated[
        bool, typer.Option("--contributions", help="Which contributions it is the average of, and how much of each.")
    ] = False,
    dot: Annotated[bool, typer.Option("--dot", help="Print a graph for Graphviz.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show what a version was made from.

    A share is the weight of a version in an average, multiplied through averages of averages. What a training started
    from has no share: its influence cannot be counted.
    """
    if contributions and (dot or descendants):
        raise Refusal("--contributions is a list of its own; leave --dot and --descendants out")
    with opened(remote) as registry:
        if contributions:
            _show_contributions(registry.versions.contributions(revision), as_json)
            return
        rows = registry.versions.lineage(revision, depth, descendants)
    if as_json:
        output.print_json(rows)
    elif dot:
        output.print_text(dot_of(rows, descendants))
    else:
        output.display(tree_of(rows, descendants))


def _show_contributions(found: Sequence[Contribution], as_json: bool) -> None:
    people: dict[str, list[Contribution]] = {}
    for one in found:
        people.setdefault(history.contributor(one.entry) if one.entry.node else "the registry", []).append(one)
    totals = sorted(((name, total_share(ones), len(ones)) for name, ones in people.items()), key=lambda row: -row[1])
    if as_json:
        by = [{"contributor": name, "share": float(share), "versions": count} for name, share, count in totals]
        output.print_json({"contributions": output.plain(found), "contributors": by})
        return
    columns = ("share", "%", "id", "made by", "task", "contributor")
    rows = [
        (
            one.exact or "–",
            output.percent(one.share),
            output.short(one.entry.id),
            history.made_by(one.entry) + (" (step 0)" if one.untrained else ""),
            one.entry.task_name or "–",
            history.contributor(one.entry),
        )
        for one in found
    ]
    output.print_table(columns, rows)
    lines = [(name, _said(share), output.percent(float(share)), str(count)) for name, share, count in totals]
    output.print_table(("contributor", "share", "%", "versions"), lines, title="By contributor")


def _said(share: Fraction | float) -> str:
    return str(share) if isinstance(share, Fraction) else "–"
