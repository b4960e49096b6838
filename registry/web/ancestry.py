"""A version's ancestors as a tree of lines; what was shown once is named again, not shown again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.presentation.lineage import lines
from registry.records import LineageRow
from registry.web.brief import Brief, brief

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
    """The tree of a walk, as `Versions.lineage` returns it, and how many lines of it were left out."""
    branches: list[Branch] = []
    left_out = 0
    for line in lines(rows):
        if len(branches) >= most:
            left_out += 1
            continue
        branch = Branch(brief(line.entry), line.share, line.again)
        if line.above >= 0:
            branches[line.above].branches.append(branch)
        branches.append(branch)
    return branches[0], left_out
