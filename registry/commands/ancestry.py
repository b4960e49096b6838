"""A version's ancestors as a tree: what it was made from, with which weight, and by whom.

Versions have several parents and parents have several children, so the walk is a graph; a subtree that was drawn is not
drawn again, only named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from ratatouille.cli.output import safe, short
from registry.commands.history import contributor, made_by
from registry.records import Entry, LineageRow


def tree_of(rows: Sequence[LineageRow]) -> Tree:
    """The tree of a walk, as `Registry.lineage` returns it: the version itself first."""
    ways: dict[str, list[LineageRow]] = defaultdict(list)
    for row in rows[1:]:
        assert row.through is not None
        ways[row.through].append(row)
    top = rows[0].entry
    root, drawn = Tree(label(top)), {top.id}
    # A stack instead of recursion: a history may be deeper than Python's.
    waiting = [(root, top, row) for row in reversed(ways[top.id])]
    while waiting:
        tree, child, row = waiting.pop()
        line = label(row.entry, _share(row, ways[child.id], child))
        if row.entry.id not in drawn:
            drawn.add(row.entry.id)
            branch = tree.add(line)
            waiting += [(branch, row.entry, parent) for parent in reversed(ways[row.entry.id])]
        else:
            tree.add(line.append("  shown above", "dim") if ways[row.entry.id] else line)
    return root


def label(entry: Entry, share: str = "") -> Text:
    """One version in one line."""
    words = [made_by(entry), entry.task_name or "", f"by {contributor(entry)}" if entry.node else ""]
    text = safe(f"{share} " if share else "", "cyan").append_text(safe(short(entry.id), "bold"))
    text.append_text(safe("  " + "  ".join(word for word in words if word)))
    return text.append_text(safe("  " + " ".join(entry.aliases), "green")) if entry.aliases else text


def _share(row: LineageRow, parents: Sequence[LineageRow], child: Entry) -> str:
    """Weight of a parent in a combination; trainings have starts, not shares."""
    if child.version.rule.name != "combine" or row.coefficient is None:
        return ""
    total = sum(parent.coefficient or 0 for parent in parents)
    if isinstance(row.coefficient, int) and isinstance(total, int):
        return f"{row.coefficient}/{total}"
    return f"{row.coefficient / total:.3g}" if total else f"{row.coefficient:g}"
