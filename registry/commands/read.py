"""`ratatouille show`: everything about one version."""

from __future__ import annotations

from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from registry.commands.opened import opened
from registry.presentation import history
from registry.presentation.scores import class_lines, score_lines
from registry.records import Details
from registry.services.registry import Registry

Revision = Annotated[
    str, typer.Argument(help="An id, the beginning of one, an alias, or one of them with ~1.", metavar="REV")
]


def show(
    revision: Revision,
    classes: Annotated[bool, typer.Option("--classes", help="Show how each class is recognised, too.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about a version."""
    with opened(remote) as registry:
        details = registry.versions.show(revision)
        scores = score_lines(details.evaluations)
        recall = class_lines(details.evaluations, _classes(registry, details)) if classes else None
        if as_json:
            output.print_json(
                {**output.plain(details), "scores": scores, **({} if recall is None else {"classes": recall})}
            )
            return
        architecture = registry.definitions.architecture(details.entry.version.architecture)
        parents = history.parent_rows(registry.versions.lineage(details.entry.id, depth=1))
    output.print_table(("", ""), history.facts(details, architecture))
    if parents:
        output.print_table(("", "id", "made by", "task", "contributor"), parents, title="Parents")
    if details.receipt is not None:
        output.print_table(("", ""), history.receipt_facts(details.receipt), title="Receipt")
        if curve := history.curve_rows(details.receipt):
            output.print_table(("", "", ""), curve, title="Curve")
    checks = [(check.what, check.detail) for check in details.admission]
    output.print_table(("", ""), checks, title="Checked at admission")
    if scores:
        output.print_table(history.SCORE_COLUMNS, history.score_rows(scores), title="Evaluations (in percent)")
    for line in recall or ():
        output.print_table(*history.recall_table(line), title=history.recall_title(line))


def _classes(registry: Registry, details: Details) -> dict[str, tuple[str, ...]]:
    """The classes of each task that a version was counted on, by the task's name."""
    return {name: registry.definitions.task(name).classes for name in {one.task_name for one in details.evaluations}}
