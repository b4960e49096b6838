"""Commands that ask: `log`, `show`, `lineage`, `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.options import AsJson, Remote
from ratatouille.errors import Refusal
from registry.commands import history
from registry.commands.ancestry import tree_of
from registry.commands.opened import folder_named, opened
from registry.commands.scores import score_lines
from registry.records import Check, LogQuery, Verification

RULES = ("import", "probe", "fine_tune", "combine")

Revision = Annotated[
    str, typer.Argument(help="An id, the beginning of one, an alias, or one of them with ~1.", metavar="REV")
]


def log(
    task: Annotated[str | None, typer.Option(help="Only versions for this task.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"Only versions made by this rule: {', '.join(RULES)}.")] = None,
    round: Annotated[str | None, typer.Option(help="Only versions of this round (name or id).")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """List versions, the latest first."""
    if kind is not None and kind not in RULES:
        raise Refusal(f"no version is made by '{kind}'; --kind takes {', '.join(RULES)}")
    query = LogQuery.model_validate({"task": task, "kind": kind, "round": round})
    with opened(remote) as registry:
        entries = registry.log(query, limit=limit)
        if as_json:
            output.print_json(entries)
            return
        names = {one.id: one.name for one in registry.rounds()} if any(entry.round for entry in entries) else {}
    if entries:
        output.print_table(history.LOG_COLUMNS, history.log_rows(entries, names))
    else:
        output.print_line("no version fits; `ratatouille log` without options lists all")


def show(revision: Revision, remote: Remote = None, as_json: AsJson = False) -> None:
    """Show everything about a version."""
    with opened(remote) as registry:
        details = registry.show(revision)
        scores = score_lines(details.evaluations)
        if as_json:
            output.print_json({**output.plain(details), "scores": scores})
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
    if scores:
        output.print_table(history.SCORE_COLUMNS, history.score_rows(scores), title="Evaluations (in percent)")


def lineage(
    revision: Revision,
    depth: Annotated[int, typer.Option(min=1, max=10_000, help="How many steps back.")] = 100,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Show what a version was made from."""
    with opened(remote) as registry:
        rows = registry.lineage(revision, depth)
    if as_json:
        output.print_json(rows)
    else:
        output.display(tree_of(rows))


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
