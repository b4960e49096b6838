"""A walk through the history as a tree, or as a graph for Graphviz: what was made from what, how much of it, by whom.

Versions have several parents and parents have several children, so the walk is a graph; in the tree, a subtree that was
drawn is not drawn again, only named.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from ratatouille.cli.output import printable, safe, short
from registry.presentation.history import contributor, made_by
from registry.presentation.lineage import lines, share_in
from registry.records import Entry, LineageRow


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
    words = [made_by(entry), entry.task_name or "", f"by {contributor(entry)}" if entry.node else ""]
    text = safe(f"{share} " if share else "", "cyan").append_text(safe(short(entry.id), "bold"))
    text.append_text(safe("  " + "  ".join(word for word in words if word)))
    return text.append_text(safe("  " + " ".join(entry.aliases), "green")) if entry.aliases else text


def _quoted(*lines: str) -> str:
    """A string of that language; others have written some of the words."""
    escaped = (printable(line).replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
