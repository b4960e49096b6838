"""A walk through the history as a tree, or as a graph for Graphviz: what was made from what, how much of it, by whom.

Versions have several parents and parents have several children, so the walk is a graph; in the tree, a subtree that was
drawn is not drawn again, only named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from ratatouille.cli.output import printable, safe, short
from registry.presentation.history import contributor, made_by
from registry.records import Entry, LineageRow


def tree_of(rows: Sequence[LineageRow], descendants: bool = False) -> Tree:
    """The tree of a walk, as `Registry.lineage` returns it: the version itself first."""
    ways = _ways(rows)
    top = rows[0].entry
    root, drawn = Tree(label(top)), {top.id}
    # A stack instead of recursion: a history may be deeper than Python's.
    waiting = [(root, top, row) for row in reversed(ways[top.id])]
    while waiting:
        tree, before, row = waiting.pop()
        line = label(row.entry, _share(row, row.entry if descendants else before))
        if row.entry.id not in drawn:
            drawn.add(row.entry.id)
            branch = tree.add(line)
            waiting += [(branch, row.entry, following) for following in reversed(ways[row.entry.id])]
        else:
            tree.add(line.append("  shown above", "dim") if ways[row.entry.id] else line)
    return root


def dot_of(rows: Sequence[LineageRow], descendants: bool = False) -> str:
    """The walk in Graphviz's language, with arrows from what was made to what it was made from."""
    entries = {row.entry.id: row.entry for row in rows}
    lines = ["digraph lineage {", "  rankdir=BT;", '  node [shape=box, fontname="sans-serif"];']
    for entry in entries.values():
        words = (
            short(entry.id),
            made_by(entry),
            entry.task_name or "",
            f"by {contributor(entry)}" if entry.node else "",
        )
        names = " ".join(entry.aliases)
        style = ", style=bold" if names else ""
        lines.append(f"  {_quoted(entry.id)} [label={_quoted(*(word for word in (*words, names) if word))}{style}];")
    for row in rows[1:]:
        assert row.through is not None
        child, parent = (row.entry.id, row.through) if descendants else (row.through, row.entry.id)
        share = _share(row, entries[child])
        attributes = f" [label={_quoted(share)}]" if share else ""
        lines.append(f"  {_quoted(child)} -> {_quoted(parent)}{attributes};")
    return "\n".join([*lines, "}"])


def label(entry: Entry, share: str = "") -> Text:
    """One version in one line."""
    words = [made_by(entry), entry.task_name or "", f"by {contributor(entry)}" if entry.node else ""]
    text = safe(f"{share} " if share else "", "cyan").append_text(safe(short(entry.id), "bold"))
    text.append_text(safe("  " + "  ".join(word for word in words if word)))
    return text.append_text(safe("  " + " ".join(entry.aliases), "green")) if entry.aliases else text


def _ways(rows: Sequence[LineageRow]) -> dict[str, list[LineageRow]]:
    ways: dict[str, list[LineageRow]] = defaultdict(list)
    for row in rows[1:]:
        assert row.through is not None
        ways[row.through].append(row)
    return ways


def _share(row: LineageRow, child: Entry) -> str:
    """Weight of a parent in the combination `child`; trainings have starts, not shares."""
    if child.version.rule.name != "combine" or row.coefficient is None:
        return ""
    total = sum(parent.coefficient for parent in child.version.parents)
    if isinstance(row.coefficient, int) and isinstance(total, int):
        return f"{row.coefficient}/{total}"
    return f"{row.coefficient / total:.3g}" if total else f"{row.coefficient:g}"


def _quoted(*lines: str) -> str:
    """A string of that language; others have written some of the words."""
    escaped = (printable(line).replace("\n", " ").replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
