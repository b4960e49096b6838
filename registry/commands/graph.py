"""The history as a text graph, the latest at the top: `log --graph`.

Versions that were made alike for the same purpose (the runs that one average is made of) are one line, so that a round
is a handful of lines. What has a name stands alone. Each line below goes to what a version was made from.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from registry.records import Entry

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
_SIGNS = " ╵╷│" + "─╯╮┤" + "─╰╭├" + "─┴┬┼"
"""By the directions that a sign leads to: up 1, down 2, left 4, right 8."""


@dataclass
class GraphGroup:
    """Versions that are one line of the graph."""

    entries: list[Entry] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """Places of the groups that these were made from."""
    open: bool = False
    """Whether some were made from versions that are not shown."""


@dataclass(frozen=True)
class GraphRow:
    """One line: the rails at its left, and the versions that it is about, if it is about some."""

    rails: str
    group: GraphGroup | None = None


def grouped(entries: Sequence[Entry]) -> list[GraphGroup]:
    """The lines of a graph, in an order in which everything stands above what it was made from."""
    groups: list[GraphGroup] = []
    place: dict[str, int] = {}
    children: dict[str, set[int]] = {}
    known: dict[object, int] = {}
    shown = {entry.id for entry in entries}
    for entry in sorted(entries, key=lambda entry: -entry.number):  # its descendants have higher numbers
        key = _kind(entry, frozenset(children.get(entry.id, ())))
        here = known.setdefault(key, len(groups))
        if here == len(groups):
            groups.append(GraphGroup())
        groups[here].entries.append(entry)
        place[entry.id] = here
        for parent in entry.version.parents:
            children.setdefault(parent.version, set()).add(here)
    for group in groups:
        parents = {parent.version for entry in group.entries for parent in entry.version.parents}
        group.open = not parents <= shown
        group.parents = sorted({place[id] for id in parents & shown})
    return _in_order(groups)


def draw(groups: Sequence[GraphGroup]) -> Iterator[GraphRow]:
    """The lines with their rails: `●` is a version or several, `○` one whose parents are not shown."""
    lanes: list[int | None] = []
    for here, group in enumerate(groups):
        waiting = [lane for lane, goal in enumerate(lanes) if goal == here]
        column = waiting[0] if waiting else _free(lanes)
        before = list(lanes)
        for lane in waiting[1:]:
            lanes[lane] = None
        if len(waiting) > 1:
            yield GraphRow(_connection(before, lanes, column, waiting[1:]))
        lanes[column] = here
        yield GraphRow(_line(lanes, column, "○" if group.open else "●"), group)
        before = list(lanes)
        lanes[column] = None
        goals = [_lane_to(parent, lanes, column) for parent in group.parents]
        if any(goal != column for goal in goals):
            yield GraphRow(_connection(before, lanes, column, goals))
        while lanes and lanes[-1] is None:
            lanes.pop()


def _kind(entry: Entry, children: frozenset[int]) -> object:
    """The properties that all versions of one line share."""
    if entry.aliases:
        return entry.id
    rule = entry.version.rule
    return rule.name, rule.purpose, entry.version.task, entry.round, entry.state, children


def _in_order(groups: Sequence[GraphGroup]) -> list[GraphGroup]:
    """Children first, and the latest of what may come next."""
    waiting = [0] * len(groups)
    for group in groups:
        for parent in group.parents:
            waiting[parent] += 1
    ready = [(-group.entries[0].number, place) for place, group in enumerate(groups) if not waiting[place]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        place = heapq.heappop(ready)[1]
        order.append(place)
        for parent in groups[place].parents:
            waiting[parent] -= 1
            if not waiting[parent]:
                heapq.heappush(ready, (-groups[parent].entries[0].number, parent))
    moved = {old: new for new, old in enumerate(order)}
    found = [groups[place] for place in order]
    for group in found:
        group.parents = sorted(moved[parent] for parent in group.parents)
    return found


def _lane_to(goal: int, lanes: list[int | None], column: int) -> int:
    """The lane that leads to a group: the one that does already, or a new one, straight down if that is free."""
    if goal in lanes:
        return lanes.index(goal)
    lane = column if lanes[column] is None else _free(lanes)
    lanes[lane] = goal
    return lane


def _free(lanes: list[int | None]) -> int:
    if None not in lanes:
        lanes.append(None)
    return lanes.index(None)


def _line(lanes: Sequence[int | None], column: int, sign: str) -> str:
    return " ".join(
        sign if lane == column else " " if goal is None else "│" for lane, goal in enumerate(lanes)
    ).rstrip()


def _connection(before: Sequence[int | None], after: Sequence[int | None], column: int, others: Sequence[int]) -> str:
    """A line that joins `column` with other lanes; lanes that it only crosses stay whole."""
    width = max(len(before), len(after))
    first, last = min(column, *others), max(column, *others)
    signs = []
    for lane in range(width):
        sides = UP if lane < len(before) and before[lane] is not None else 0
        sides |= DOWN if lane < len(after) and after[lane] is not None else 0
        if lane in (column, *others) or not sides:
            sides |= LEFT if first < lane <= last else 0
            sides |= RIGHT if first <= lane < last else 0
        signs.append(_SIGNS[sides] + ("─" if first <= lane < last else " "))
    return "".join(signs).rstrip()
