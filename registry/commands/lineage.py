"""`ratatouille lineage`: what a version was made from, what was made from it, and whose work it is."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, printable, safe, short
from ratatouille.errors import Refusal
from registry.commands.log import Revision
from registry.commands.opened import opened
from registry.presentation import history
from registry.presentation.history import contributor, made_by
from registry.presentation.kinds import recipe_text
from registry.presentation.lineage import lines, share_in, total_share
from registry.records import Contribution, Entry, LineageRow

CONTRIBUTIONS = output.TableLayout(
    ("share", "%", "id", "made by", "task", "contributor"), drop=("task", "made by", "%", "contributor")
)
CONTRIBUTORS = output.TableLayout(("contributor", "share", "%", "versions"), drop=("versions", "%"))


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
    output.print_table(CONTRIBUTIONS, rows)
    lines = [(name, _said(share), output.percent(float(share)), str(count)) for name, share, count in totals]
    output.print_table(CONTRIBUTORS, lines, title="By contributor")


def _said(share: Fraction | float) -> str:
    return str(share) if isinstance(share, Fraction) else "–"


def tree_of(rows: Sequence[LineageRow], descendants: bool = False) -> Tree:
    """The tree of a walk, as `Versions.lineage` returns it: the version itself first."""
    trees: list[Tree] = []
    for line in lines(rows, descendants):
        text = label(line.entry, line.share)
        if line.again:
            text.append("  shown above", "dim")
        trees.append(Tree(text) if line.above < 0 else trees[line.above].add(text))
    return trees[0]


def dot_of(rows: Sequence[LineageRow], descendants: bool = False) -> str:
    """The walk in Graphviz's language, with arrows from what was made to what it was made from."""
    entries = {row.entry.id: row.entry for row in rows}
    text = ["digraph lineage {", "  rankdir=BT;", '  node [shape=box, fontname="sans-serif"];']
    for entry in entries.values():
        words = (
            short(entry.id),
            made_by(entry),
            entry.task_name or "",
            f"by {contributor(entry)}" if entry.node else "",
        )
        names = " ".join(entry.aliases)
        style = ", style=bold" if names else ""
        text.append(f"  {_quoted(entry.id)} [label={_quoted(*(word for word in (*words, names) if word))}{style}];")
    for row in rows[1:]:
        assert row.through is not None
        child, parent = (row.entry.id, row.through) if descendants else (row.through, row.entry.id)
        share = share_in(row, entries[child])
        attributes = f" [label={_quoted(share)}]" if share else ""
        text.append(f"  {_quoted(child)} -> {_quoted(parent)}{attributes};")
    return "\n".join([*text, "}"])


def label(entry: Entry, share: str = "") -> Text:
    """One version in one line."""
    words = [recipe_text(entry.recipes), entry.task_name or "", f"by {contributor(entry)}" if entry.node else ""]
    text = safe(f"{share} " if share else "", "cyan").append_text(safe(short(entry.id), "bold"))
    text.append("  ").append_text(safe(made_by(entry), history.kind_style(entry)))
    text.append_text(safe("".join(f"  {word}" for word in words if word)))
    return text.append_text(safe("  " + " ".join(entry.aliases), "green")) if entry.aliases else text


def _quoted(*lines: str) -> str:
    """A string of that language; others have written some of the words."""
    escaped = (printable(line).replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
