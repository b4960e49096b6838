"""The page of a version: its record and scores, whose work it is made of, how it was made, and how to get it."""

from __future__ import annotations

from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.version import Version
from ratatouille.record import Digest, Record
from registry.exports.folders.card import load_example
from registry.presentation.history import receipt_facts
from registry.presentation.scores import ClassRow, Mistake, ScoredCell, class_rows, heat, mistakes, scored_cells
from registry.records import Check, Details, LineageRow, ReviewRecord, TagRecord, TakenBack
from registry.services.registry import Registry
from registry.web.drawing.layers import both_ways
from registry.web.drawing.plot import curves
from registry.web.page import Page, Query, named_in_address
from registry.web.summaries import VersionShares, VersionSummary, shares, summary, tree

DEPTH = 8
DEEPEST = 50
DRAWN_DEPTH = 3
"""Steps back that the graph shows; the tree below it goes on."""
MOST_CLASSES = 40
"""A larger confusion matrix is shown as its most frequent mistakes."""
MOST_MISTAKES = 40
MOST_CHILDREN = 12
MOST_OPEN = 50


class Ancestor(Record):
    """One way from a version to an ancestor."""

    version: VersionSummary
    depth: int
    through: Digest | None
    coefficient: int | float | None


class ArchitectureSummary(Record):
    """The architecture, in brief."""

    record: Digest
    name: str
    input_size: int


class VersionView(Record):
    """The content of the page."""

    version: VersionSummary
    record: Version
    work_id: Digest
    architecture: ArchitectureSummary
    admission: tuple[Check, ...]
    """What was checked before it was admitted."""
    taken_back: TakenBack | None
    review: ReviewRecord | None
    """The review that stands of it."""
    tags: tuple[TagRecord, ...]
    collected: float | None
    """When gc removed its weights, or some of them."""
    cells: tuple[ScoredCell, ...]
    shown: str | None
    """Key of the cell whose classes are shown."""
    classes: tuple[str, ...]
    class_lines: tuple[ClassRow, ...]
    mistakes: tuple[Mistake, ...]
    shares: VersionShares
    lineage: tuple[Ancestor, ...]
    depth: int
    children: tuple[VersionSummary, ...]
    children_in_all: int
    receipt: Receipt | None


def page(registry: Registry, query: Query) -> Page:
    """Everything about a version.

    Raises:
        NotThere: for a revision that names none.
    """
    depth = query.number("depth", DEPTH, 1, DEEPEST)
    with named_in_address():
        details = registry.versions.show(query.path["revision"])
    rows = registry.versions.lineage(details.entry.id, depth)
    counted = scored_cells(details.evaluations)
    chosen = next((cell for cell in counted if cell.key == query.text("cell")), counted[0] if counted else None)
    classes = registry.definitions.task(chosen.task).classes if chosen else ()
    view = _view(registry, details, rows, counted, chosen, classes, depth)
    opened = query.all("open", MOST_OPEN)
    near = {row.entry.id: summary(row.entry) for row in rows if row.depth <= DRAWN_DEPTH}
    branches, left_out = tree(rows)
    wanted = query.path["revision"]
    name = wanted if wanted in details.entry.aliases else details.entry.id[:12]
    drawn = {
        "facts": [] if details.receipt is None else receipt_facts(details.receipt),
        "curves": () if details.receipt is None else curves(details.receipt.curve, details.receipt.kept_step),
        "chosen": chosen,
        "heat": heat,
        "matrix_shown": chosen is not None and len(classes) <= MOST_CLASSES,
        "drawings": both_ways(tuple(near.values()), (), opened),
        "opened": opened,
        "tree": branches,
        "left_out": left_out,
        "name": name,
        "example": load_example(name),
    }
    return Page("version.html.jinja", view, drawn)


def _view(
    registry: Registry,
    details: Details,
    rows: list[LineageRow],
    counted: tuple[ScoredCell, ...],
    chosen: ScoredCell | None,
    classes: tuple[str, ...],
    depth: int,
) -> VersionView:
    entry = details.entry
    architecture = registry.definitions.architecture(entry.version.architecture)
    versions = {row.entry.id: summary(row.entry) for row in rows} | {entry.id: summary(entry)}
    children = [row for id in details.children[:MOST_CHILDREN] for row in registry.versions.lineage(id, depth=0)]
    return VersionView(
        version=versions[entry.id],
        record=entry.version,
        work_id=entry.work_id,
        architecture=ArchitectureSummary(
            record=entry.version.architecture, name=architecture.name, input_size=architecture.input_size
        ),
        admission=details.admission,
        taken_back=details.taken_back,
        review=details.review,
        tags=details.tags,
        collected=details.collected,
        cells=counted,
        shown=chosen.key if chosen else None,
        classes=classes,
        class_lines=tuple(class_rows(chosen, classes)) if chosen else (),
        mistakes=tuple(mistakes(chosen, classes, MOST_MISTAKES)) if chosen else (),
        shares=shares(registry.versions.contributions(entry.id), versions),
        lineage=tuple(
            Ancestor(version=versions[row.entry.id], depth=row.depth, through=row.through, coefficient=row.coefficient)
            for row in rows
        ),
        depth=depth,
        children=tuple(summary(row.entry) for row in children),
        children_in_all=len(details.children),
        receipt=details.receipt,
    )
