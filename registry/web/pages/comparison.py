"""Two versions side by side: what each scores, by how much they differ, and what differs in how they were made."""

from __future__ import annotations

import math

from ratatouille.record import Record
from registry.commands.history import receipt_facts
from registry.port import Registry
from registry.records import Details
from registry.web.asked import Asked
from registry.web.brief import Brief, brief
from registry.web.cells import Cell, cells
from registry.web.listing import MOST_ALIASES, recent_moves
from registry.web.page import Page
from registry.web.pages.version import found

FAR = 50
"""Steps back that are looked through for the one among the other's ancestors."""
MOST_SUGGESTIONS = 8
MOST_TAGS = 150


class Side(Record):
    """A version's score on one cell."""

    value: float | None
    margin: float | None
    images: int


class Row(Record):
    """One cell that at least one of the two was counted on."""

    task: str
    domain: str
    split: str
    slice: str
    trial: int
    first: Side | None
    second: Side | None
    difference: float | None
    """Second minus first."""
    margin: float | None
    """Half-width of the difference's 95 % interval, as if the images were not the same; so it is rather too wide."""

    @property
    def sure(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.difference is not None and self.margin is not None and abs(self.difference) > self.margin


class Fact(Record):
    """Something that differs in how the two were made."""

    name: str
    first: str
    second: str


class Suggestion(Record):
    """Two versions that are worth comparing: before and after a release."""

    name: str
    first: str
    second: str


class Comparison(Record):
    """What the page says."""

    a: str
    b: str
    first: Brief | None
    second: Brief | None
    related: str
    """How one descends from the other, if it does."""
    rows: tuple[Row, ...]
    facts: tuple[Fact, ...]
    names: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]


def page(registry: Registry, asked: Asked) -> Page:
    """The comparison of `a` and `b`; without both, a form.

    Raises:
        NotThere: for a revision that names no version.
    """
    a, b = asked.text("a"), asked.text("b")
    first, second = (found(registry, one) if one else None for one in (a, b))
    both = first is not None and second is not None
    view = Comparison(
        a=a,
        b=b,
        first=brief(first.entry) if first else None,
        second=brief(second.entry) if second else None,
        related=_related(registry, first, second) if first and second else "",
        rows=tuple(rows(cells(first.evaluations), cells(second.evaluations))) if first and second else (),
        facts=tuple(_facts(registry, first, second)) if first and second else (),
        names=(*registry.aliases(limit=MOST_ALIASES), *(tag.name for tag in registry.tags(limit=MOST_TAGS))),
        suggestions=() if both else tuple(_suggestions(registry)),
    )
    return Page("comparison.html.jinja", view)


def rows(first: tuple[Cell, ...], second: tuple[Cell, ...]) -> list[Row]:
    """A row for each cell, in the order of the first version's, then those that only the second has."""
    ones, others = {cell.key: cell for cell in first}, {cell.key: cell for cell in second}
    return [_row(ones.get(key), others.get(key)) for key in dict.fromkeys([*ones, *others])]


def _row(one: Cell | None, other: Cell | None) -> Row:
    cell = one or other
    assert cell is not None
    difference = margin = None
    if one and other and one.accuracy is not None and other.accuracy is not None:
        difference = other.accuracy - one.accuracy
        margin = math.hypot(one.margin or 0.0, other.margin or 0.0)
    return Row(
        task=cell.task,
        domain=cell.domain,
        split=cell.split,
        slice=cell.slice,
        trial=cell.trial,
        first=_side(one),
        second=_side(other),
        difference=difference,
        margin=margin,
    )


def _side(cell: Cell | None) -> Side | None:
    return None if cell is None else Side(value=cell.accuracy, margin=cell.margin, images=cell.images)


def _related(registry: Registry, first: Details, second: Details) -> str:
    a, b = first.entry.id, second.entry.id
    if a == b:
        return "These are one version."
    ways = ((b, a, "The second was made from the first"), (a, b, "The first was made from the second"))
    for child, parent, words in ways:
        away = next((row.depth for row in registry.lineage(child, FAR) if row.entry.id == parent), None)
        if away is not None:
            return f"{words}, in {away} step{'s' if away != 1 else ''}."
    return ""


def _facts(registry: Registry, first: Details, second: Details) -> list[Fact]:
    left, right = _said(registry, first), _said(registry, second)
    return [
        Fact(name=name, first=left.get(name, "–"), second=right.get(name, "–"))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _said(registry: Registry, details: Details) -> dict[str, str]:
    one = brief(details.entry)
    said = {"made by": one.made, "task": one.task or "–", "contributor": one.by}
    said["parents"] = ", ".join(parent.version[:10] for parent in one.parents[:6]) or "none"
    said["architecture"] = registry.architecture(details.entry.version.architecture).name
    return said | ({row[0]: row[1] for row in receipt_facts(details.receipt)} if details.receipt else {})


def _suggestions(registry: Registry) -> list[Suggestion]:
    return [
        Suggestion(name=move.name, first=move.before[:16], second=move.version[:16])
        for move in recent_moves(registry, each=4)
        if move.before
    ][:MOST_SUGGESTIONS]
