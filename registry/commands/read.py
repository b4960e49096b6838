"""Commands about single versions: `show` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.options import AsJson, Remote
from registry.commands import history
from registry.commands.opened import folder_named, opened
from registry.commands.scores import class_lines, score_lines
from registry.port import Registry
from registry.records import Check, Details, Verification

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
        details = registry.show(revision)
        scores = score_lines(details.evaluations)
        recall = class_lines(details.evaluations, _classes(registry, details)) if classes else None
        if as_json:
            output.print_json(
                {**output.plain(details), "scores": scores, **({} if recall is None else {"classes": recall})}
            )
            return
        architecture = registry.architecture(details.entry.version.architecture)
        parents = history.parent_rows(registry.lineage(details.entry.id, depth=1))
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
    return {name: registry.task(name).classes for name in {one.task_name for one in details.evaluations}}


def verify(
    revisions: Annotated[
        list[str], typer.Argument(help="Ids, beginnings of ids, aliases, or pulled folders (./DIR).", metavar="REV...")
    ],
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Check bytes and signatures, and recompute averages.

    A folder that `pull` wrote is checked where it lies, without a registry; its average cannot be computed there again.
    """
    folders = [folder for one in revisions if (folder := folder_named(one)) is not None]
    named = [one for one in revisions if folder_named(one) is None]
    verifications = _verified(folders)
    if named:
        with opened(remote) as registry:
            # A mistyped revision is said before the long work on the others.
            ids = list(dict.fromkeys(registry.resolve(revision) for revision in named))
            verifications += [registry.verify(id) for id in ids]
    if as_json:
        output.print_json([{**output.plain(one), "ok": one.ok} for one in verifications])
    else:
        output.print_table(("version", "check", "", "detail"), _check_rows(verifications))
    if not all(one.ok for one in verifications):
        raise typer.Exit(1)


def _verified(folders: list[Path]) -> list[Verification]:
    if not folders:
        return []
    from registry.pulled import read_pulled  # numpy, which a question to a registry does without

    pulled = [read_pulled(folder) for folder in folders]
    return [one.verify() for one in pulled]


def _verdict(check: Check) -> str:
    if not check.checkable:
        return "–"
    return "ok" if check.ok else "FAILED"


def _check_rows(verifications: list[Verification]) -> list[tuple[str, ...]]:
    return [
        (output.short(one.id), check.what, _verdict(check), check.detail)
        for one in verifications
        for check in one.checks
    ]
