"""A version's ancestors as a tree of lines; what was shown once is named again, not shown again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.records import LineageRow
from registry.web.brief import Brief, brief
from registry.web.drawing.graph import share_of

MOST_LINES = 300
"""Lines of a tree; the rest is counted."""


@dataclass
class Branch:
    """One ancestor with what it was made from."""

    version: Brief
    share: str
    """Its part of the average above it; empty below a training."""
    again: bool = False
    """Whether its own ancestors are shown elsewhere in the tree."""
    branches: list[Branch] = field(default_factory=list)


def tree(rows: Sequence[LineageRow], most: int = MOST_LINES) -> tuple[Branch, int]:
    """The tree of a walk, as `Registry.lineage` returns it, and how many lines of it were left out."""
    ways: dict[str, list[LineageRow]] = defaultdict(list)
    for row in rows[1:]:
        assert row.through is not None
        ways[row.through].append(row)
    root = Branch(brief(rows[0].entry), "")
    drawn, lines, left_out = {rows[0].entry.id}, 1, 0
    waiting = [(root, row) for row in reversed(ways[rows[0].entry.id])]
    while waiting:
        parent, row = waiting.pop()
        if lines >= most:
            left_out += 1
            continue
        lines += 1
        id = row.entry.id
        branch = Branch(brief(row.entry), _share(parent.version, row, ways), again=id in drawn and bool(ways[id]))
        parent.branches.append(branch)
        if id not in drawn:
            drawn.add(id)
            waiting += [(branch, above) for above in reversed(ways[id])]
    return root, left_out


def _share(child: Brief, row: LineageRow, ways: dict[str, list[LineageRow]]) -> str:
    if child.rule != "combine" or row.coefficient is None:
        return ""
    return share_of(row.coefficient, sum(other.coefficient or 0 for other in ways[child.id]))
