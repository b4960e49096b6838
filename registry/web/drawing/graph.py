"""The graph of versions, kept readable: columns by distance, and trainings of a kind as one group that opens.

A round may have hundreds of trainings. Those of one column, rule and purpose are one group when they are more than a
few; it opens into a list, and a very large one into dots. Edges between groups are one edge with a count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from registry.presentation.kinds import KINDS
from registry.presentation.lineage import share_of
from registry.web.summaries import VersionSummary

FEW = 6
"""So many versions of a kind are shown one by one."""
LISTED = 24
"""So many members of an open group are lines with a name; more are dots."""


@dataclass(frozen=True)
class GraphNode:
    """One version, or a group of them."""

    key: str
    column: int
    members: tuple[VersionSummary, ...]
    form: str
    """`single`, `closed` (a group), `lines` or `dots` (an open group)."""
    outside: bool = False
    """Whether it was made elsewhere: in another round, or in none."""

    @property
    def first(self) -> VersionSummary:
        """The oldest member."""
        return self.members[0]

    @property
    def kind(self) -> str:
        """The rule that made it; shapes go by it."""
        return self.first.rule

    @property
    def colour(self) -> str:
        """As the rule, but trainings on targets and on auxiliary tasks differ."""
        return self.first.colour

    @property
    def title(self) -> str:
        """A few words about it; shape and colour show its rule."""
        one = self.first
        if self.form != "single":
            return f"{len(self.members)} {KINDS.get(self.kind, self.kind)}s"
        return f"average of {len(one.parents)}" if self.kind == "combine" else one.task or one.made

    @property
    def about(self) -> str:
        """Its difference from others: the tasks of a group, the recipe or purpose of an average, the maker."""
        if self.form == "single":
            purpose = (self.first.purpose or "").replace("_", " ")
            return self.first.recipe or purpose or self.first.by
        tasks = list(dict.fromkeys(member.task for member in self.members if member.task))
        return f"{len(tasks)} tasks" if len(tasks) > 1 else "".join(tasks)

    @property
    def names(self) -> tuple[str, ...]:
        """Aliases and tags of the members."""
        return tuple(name for member in self.members for name in member.names)


@dataclass(frozen=True)
class GraphEdge:
    """From a parent to what was made from it; between groups, several at once."""

    source: str
    target: str
    role: str
    """`weight` (a member of an average), `start` (where a training began) or `head` (only the head was taken)."""
    count: int
    share: str
    """Part of the average: `1/4`, for each of a group, or that they differ; empty for trainings."""


@dataclass(frozen=True)
class Graph:
    """Nodes in their columns, and edges."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    @property
    def columns(self) -> list[list[GraphNode]]:
        """Nodes by column."""
        found: dict[int, list[GraphNode]] = defaultdict(list)
        for node in self.nodes:
            found[node.column].append(node)
        return [found[column] for column in sorted(found)]


def gathered(
    versions: Sequence[VersionSummary],
    outside: Sequence[VersionSummary] = (),
    opened: Collection[str] = (),
    few: int = FEW,
    listed: int = LISTED,
) -> Graph:
    """The graph of some versions.

    Args:
        versions: what the graph is about.
        outside: versions from elsewhere that they were made from.
        opened: keys of groups that are open.
        few: so many of a kind are shown one by one.
        listed: so many members of an open group are lines.
    """
    everything = {one.id: one for one in (*outside, *versions)}
    elsewhere = {one.id for one in outside}
    columns = _columns(everything)
    groups: dict[tuple[int, str, str, bool, bool], list[VersionSummary]] = defaultdict(list)
    for one in sorted(everything.values(), key=lambda one: (one.created, one.id)):
        target = one.colour == "target"
        groups[columns[one.id], one.rule, one.purpose or "", one.id in elsewhere, target].append(one)
    nodes: list[GraphNode] = []
    anchors: dict[str, str] = {}
    for (column, rule, purpose, foreign, target), members in groups.items():
        if len(members) <= few:
            nodes += [GraphNode(one.id, column, (one,), "single", foreign) for one in members]
            anchors |= {one.id: one.id for one in members}
            continue
        words = (str(column), rule, purpose, "outside" if foreign else "", "target" if target else "")
        key = ".".join(word for word in words if word)
        form = "closed" if key not in opened else "lines" if len(members) <= listed else "dots"
        nodes.append(GraphNode(key, column, tuple(members), form, foreign))
        anchors |= {one.id: one.id if form == "lines" else key for one in members}
    return Graph(tuple(nodes), tuple(_edges(everything, anchors)))


def _columns(everything: Mapping[str, VersionSummary]) -> dict[str, int]:
    """The longest way from a version without parents here; averages that nothing was made from stand at the end."""
    columns: dict[str, int] = {}
    waiting = list(everything)
    while waiting:
        one = everything[waiting[-1]]
        parents = [parent.version for parent in one.parents if parent.version in everything]
        missing = [parent for parent in parents if parent not in columns]
        if missing:
            waiting += missing
            continue
        columns[one.id] = 1 + max((columns[parent] for parent in parents), default=-1)
        waiting.pop()
    last = max(columns.values(), default=0)
    used = {parent.version for one in everything.values() for parent in one.parents}
    ends = (id for id, one in everything.items() if one.rule == "combine" and id not in used)
    return columns | dict.fromkeys(ends, last)


def _edges(everything: Mapping[str, VersionSummary], anchors: Mapping[str, str]) -> list[GraphEdge]:
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in everything.values():
        total = sum(parent.coefficient for parent in one.parents)
        averaged = one.rule == "combine"
        known = [parent for parent in one.parents if parent.version in everything]
        for place, parent in enumerate(known if averaged else dict.fromkeys(known)):
            if anchors[parent.version] != anchors[one.id]:
                role = "weight" if averaged else "head" if place else "start"
                share = share_of(parent.coefficient, total) if averaged else ""
                found[anchors[parent.version], anchors[one.id], role].append(share)
    return [GraphEdge(*way, count=len(shares), share=_together(shares)) for way, shares in found.items()]


def _together(shares: Sequence[str]) -> str:
    return shares[0] if len(set(shares)) == 1 else f"{len(shares)} shares"
