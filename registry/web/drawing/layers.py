"""Layout of a graph's boxes and lines: columns to the right, or, on a narrow screen, rows downwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from registry.web.drawing.graph import Graph, GraphEdge, GraphNode, gathered
from registry.web.summaries import VersionSummary

WIDE_BOX, BOX, GAP = 152, 42, 14
COLUMN_GAP = 58
FLAG, FLAG_GAP, LETTER = 17, 4, 6.2
"""Height of a name below a box, the room around it, and the width of one of its letters."""
HEAD, LINE, DOT, EDGE = 24, 24, 24, 8
"""Heights of an open group's heading and lines, the pitch of its dots (a finger's width), and the room around them."""
NARROW, ROW_GAP = 288, 44
FEW_NARROW = 2
"""On a phone, so many of a kind are shown one by one; more are a group, which opens into dots."""


@dataclass(frozen=True)
class Spot:
    """One member of an open group."""

    member: VersionSummary
    x: float
    y: float


@dataclass(frozen=True)
class Flag:
    """An alias or a tag below its version."""

    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Box:
    """A node with its place."""

    node: GraphNode
    x: float
    y: float
    width: float
    height: float
    spots: tuple[Spot, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Wire:
    """An edge with its curve, and where its share is written."""

    edge: GraphEdge
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """A picture of a graph."""

    direction: str
    width: float
    height: float
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


@dataclass(frozen=True)
class MeasuredNode:
    """A node with its size, and what is inside and below it, seen from its corner."""

    node: GraphNode
    width: float
    height: float
    """With the flags."""
    spots: tuple[Spot, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def below(self) -> float:
        """The height that the flags add."""
        return self.flags[-1].y + FLAG - BOX if self.flags else 0.0


def across(graph: Graph) -> Drawing:
    """Columns from left to right."""
    columns = [[_measured(node, WIDE_BOX) for node in column] for column in _ordered(graph)]
    # boxes of all columns have one middle; what hangs below the last box of a column does not move it
    heights = [sum(one.height + GAP for one in column) - GAP - column[-1].below for column in columns]
    tallest = max(heights, default=0.0)
    boxes, x, bottom = [], 0.0, 0.0
    for column, height in zip(columns, heights, strict=True):
        y = (tallest - height) / 2
        for one in column:
            boxes.append(_placed(one, x, y))
            bottom = max(bottom, y + one.height)
            y += one.height + GAP
        x += max(one.width for one in column) + COLUMN_GAP
    width = max(x - COLUMN_GAP, 0.0)
    return Drawing("across", width, bottom, tuple(boxes), tuple(_wires(graph.edges, boxes, _sideways)))


def down(graph: Graph) -> Drawing:
    """Rows from top to bottom, two boxes side by side at most, as wide as the narrowest phone."""
    boxes, y = [], 0.0
    for row in _ordered(graph):
        narrow = (NARROW - GAP) / 2
        sized = [_measured(node, NARROW if len(row) == 1 or node.form != "single" else narrow) for node in row]
        for line in _lines(sized):
            x = 0.0
            for one in line:
                boxes.append(_placed(one, x, y))
                x += one.width + GAP
            y += max(one.height for one in line) + GAP
        y += ROW_GAP - GAP
    height = max(y - ROW_GAP, 0.0)
    return Drawing("down", NARROW, height, tuple(boxes), tuple(_wires(graph.edges, boxes, _downwards)))


def _ordered(graph: Graph) -> list[list[GraphNode]]:
    """Columns whose nodes stand near what they were made from, so that few lines cross."""
    parents: dict[str, list[str]] = {}
    for edge in graph.edges:
        if edge.role != "head":
            parents.setdefault(edge.target, []).append(edge.source)
    places: dict[str, float] = {}
    ordered = []
    for column in graph.columns:
        centre = {node.key: _centre(node, parents, places) for node in column}
        ordered.append(sorted(column, key=lambda node: (centre[node.key], node.outside, node.kind)))
        for place, node in enumerate(ordered[-1]):
            places |= dict.fromkeys((node.key, *(one.id for one in node.members)), place / max(1, len(column) - 1))
    return ordered


def _centre(node: GraphNode, parents: dict[str, list[str]], places: dict[str, float]) -> float:
    keys = {node.key, *(one.id for one in node.members)}
    found = [places[parent] for key in keys for parent in parents.get(key, ()) if parent in places]
    return sum(found) / len(found) if found else 0.5


def _measured(node: GraphNode, width: float) -> MeasuredNode:
    if node.form == "lines":
        lines = tuple(Spot(one, EDGE, HEAD + LINE * (place + 0.5)) for place, one in enumerate(node.members))
        return MeasuredNode(node, width, HEAD + LINE * len(lines) + EDGE, lines)
    if node.form == "dots":
        row = int((NARROW - 2 * EDGE) // DOT)
        start = (NARROW - row * DOT) / 2
        dots = tuple(
            Spot(one, start + DOT * (place % row + 0.5), HEAD + DOT * (place // row + 0.5))
            for place, one in enumerate(node.members)
        )
        return MeasuredNode(node, NARROW, HEAD + DOT * -(-len(dots) // row) + EDGE, dots)
    flags = _flags(node.names, width)
    return MeasuredNode(node, width, flags[-1].y + FLAG if flags else BOX, (), flags)


def _flags(names: Sequence[str], width: float) -> tuple[Flag, ...]:
    """Names below a box, in as many rows as they need."""
    flags: list[Flag] = []
    x, y = 0.0, float(BOX + FLAG_GAP)
    for name in names:
        wide = min(width, LETTER * len(name) + FLAG)
        if x and x + wide > width:
            x, y = 0.0, y + FLAG + FLAG_GAP
        flags.append(Flag(name, x, y, wide))
        x += wide + FLAG_GAP
    return tuple(flags)


def _placed(one: MeasuredNode, x: float, y: float) -> Box:
    spots = tuple(Spot(spot.member, x + spot.x, y + spot.y) for spot in one.spots)
    flags = tuple(Flag(flag.name, x + flag.x, y + flag.y, flag.width) for flag in one.flags)
    return Box(one.node, x, y, one.width, one.height if spots else BOX, spots, flags)


def _lines(row: Sequence[MeasuredNode]) -> list[list[MeasuredNode]]:
    lines: list[list[MeasuredNode]] = []
    for one in row:
        if lines and sum(other.width + GAP for other in lines[-1]) + one.width <= NARROW:
            lines[-1].append(one)
        else:
            lines.append([one])
    return lines


Bend = Callable[[Box, Spot | None, Box, Spot | None], tuple[str, float, float]]


def _wires(edges: Sequence[GraphEdge], boxes: Sequence[Box], curve: Bend) -> list[Wire]:
    ends: dict[str, tuple[Box, Spot | None]] = {box.node.key: (box, None) for box in boxes}
    for box in boxes:
        ends |= {spot.member.id: (box, spot) for spot in box.spots}
    return [Wire(edge, *curve(*ends[edge.source], *ends[edge.target])) for edge in edges]


def _sideways(source: Box, leaving: Spot | None, target: Box, arriving: Spot | None) -> tuple[str, float, float]:
    x1, y1 = source.x + source.width, leaving.y if leaving else source.y + source.height / 2
    x2, y2 = target.x, arriving.y if arriving else target.y + target.height / 2
    bend = max(COLUMN_GAP / 2, (x2 - x1) / 2)
    return f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}", x2 - 5, y2 - 4


def _downwards(source: Box, leaving: Spot | None, target: Box, arriving: Spot | None) -> tuple[str, float, float]:
    x1, y1 = source.x + source.width / 2, source.y + source.height
    x2, y2 = target.x + target.width / 2, target.y
    bend = max(ROW_GAP / 2, (y2 - y1) / 2)
    return f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}", x2 + 6, y2 - 6


def both_ways(
    versions: Sequence[VersionSummary],
    outside: Sequence[VersionSummary],
    opened: Collection[str],
) -> tuple[Drawing, Drawing]:
    """The wide and the narrow picture; arguments as `gathered`."""
    narrow = gathered(versions, outside, opened, few=FEW_NARROW, listed=0)
    return across(gathered(versions, outside, opened)), down(narrow)
