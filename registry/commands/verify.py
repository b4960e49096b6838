"""`verify`: single versions, or with `--all` everything that a registry keeps; exit code 1 when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote
from ratatouille.errors import Refusal
from registry.commands.log_heads import checked
from registry.commands.opened import folder_named, opened
from registry.kept_heads import check_included
from registry.records import Finding, Stage, Verdict, Verification, worst
from registry.services.registry import Registry

FINDINGS = output.TableLayout(("where", "what", "detail", "versions"), prose=("detail", "versions"))
CHECKS = output.TableLayout(("version", "check", "verdict", "detail"), prose=("detail",))
MOST_NAMED = 5
"""Affected versions that a line names."""


AuditProgress = Callable[[Stage, int, int], None]
"""Called with a stage, how many things of it were looked at, and how many there are."""


@dataclass
class Audit:
    """The findings of a whole audit."""

    findings: list[Finding] = field(default_factory=list)
    looked: dict[Stage, int] = field(default_factory=dict)
    """Number of things by stage."""
    bytes: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings; files that no version has are harmless."""
        return worst(one.kind for one in self.findings if one.kind != "unreferenced")

    @property
    def ok(self) -> bool:
        """Whether everything could be checked, and nothing is wrong."""
        return self.verdict == "ok"

    def of(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]


def audit(registry: Registry, progress: AuditProgress = lambda stage, done, total: None) -> Audit:
    """Look at everything, page after page; raises as `Maintenance.audit` does."""
    whole, place = Audit(), None
    while True:
        page = registry.maintenance.audit(place)
        whole.findings += page.findings
        whole.bytes += page.bytes
        whole.looked[page.stage] = whole.looked.get(page.stage, 0) + page.looked
        progress(page.stage, whole.looked[page.stage], page.total)
        place = page.following
        if place is None:
            return whole


def verify(
    revisions: Annotated[
        list[str] | None,
        typer.Argument(help="Ids, their beginnings, aliases, or pulled folders (./DIR).", metavar="[REV]..."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that the registry keeps.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Check bytes and signatures, and recompute averages.

    A folder that `pull` wrote is checked where it lies, without a registry; its average cannot be computed there again.
    The log is compared with what this machine saw of it before, and must have each version. The command ends with code
    1 when something is wrong, and names it. What would need weights that gc collected is not checkable, and files that
    no version has are harmless: neither is wrong.
    """
    if everything == bool(revisions):
        raise Refusal("say what to verify: versions, or --all")
    if everything:
        with opened(remote) as registry:
            verdict = _everything(registry, remote, as_json)
    else:
        verdict = _single(revisions or [], remote, as_json)
    if verdict == "wrong":
        raise typer.Exit(1)


def say_audit(whole: Audit) -> None:
    """Print the findings of an audit for people."""
    for kind in ("wrong", "not checkable", "unreferenced"):
        if found := whole.of(kind):
            title = f"{kind[0].upper()}{kind[1:]}" + (" (harmless)" if kind == "unreferenced" else "")
            rows = [(one.stage, output.short(one.subject), one.detail, _versions(one)) for one in found]
            output.print_table(FINDINGS, rows, title=title)
    looked = ", ".join(f"{count} {stage}" for stage, count in whole.looked.items())
    output.print_line(f"looked at {looked}; {whole.bytes / 1e6:.1f} MB of weights")
    wrong = len(whole.of("wrong"))
    if wrong:
        output.print_line(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
    else:
        output.print_line("nothing is wrong" + ("" if whole.ok else ", as far as it could be checked"))


@contextmanager
def following() -> Iterator[AuditProgress]:
    """A callback that shows how far an audit is; on a terminal only, since stages pass quickly."""
    if not output.console.is_terminal:
        yield lambda stage, done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.console, transient=True) as progress:
        bars: dict[str, Callable[[int, int], None]] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                task = progress.add_task(stage)
                bars[stage] = lambda done, total: progress.update(task, completed=done, total=max(done, total))
            bars[stage](done, total)

        yield show


def _everything(registry: Registry, remote: str | None, as_json: bool) -> Verdict:
    with following() as progress:
        whole = audit(registry, progress)
    if problem := checked(registry, remote).problem:
        whole.findings.append(Finding(kind="wrong", stage="log", subject="head", detail=problem))
    if as_json:
        output.print_json(
            {
                "ok": whole.verdict != "wrong",
                "verdict": whole.verdict,
                "looked": whole.looked,
                "bytes": whole.bytes,
                "findings": whole.findings,
            }
        )
    else:
        say_audit(whole)
    return whole.verdict


def _single(revisions: Sequence[str], remote: str | None, as_json: bool) -> Verdict:
    folders = [folder for one in revisions if (folder := folder_named(one)) is not None]
    named = [one for one in revisions if folder_named(one) is None]
    verifications = _pulled(folders)
    if named:
        with opened(remote) as registry:
            # A mistyped revision is said before the long work on the others.
            ids = list(dict.fromkeys(registry.versions.resolve(revision) for revision in named))
            head = checked(registry, remote)
            found = [(registry.versions.verify(id), check_included(registry, head, id)) for id in ids]
            verifications += [one.model_copy(update={"checks": (*one.checks, check)}) for one, check in found]
    if as_json:
        output.print_json(
            [{**output.plain(one), "ok": one.verdict != "wrong", "verdict": one.verdict} for one in verifications]
        )
    else:
        rows = [
            (output.short(one.id), check.what, "FAILED" if check.verdict == "wrong" else check.verdict, check.detail)
            for one in verifications
            for check in one.checks
        ]
        output.print_table(CHECKS, rows)
    return worst(one.verdict for one in verifications)


def _pulled(folders: Sequence[Path]) -> list[Verification]:
    if not folders:
        return []
    from registry.exports.folders.pulled import read_pulled  # imported lazily: it needs numpy

    pulled = [read_pulled(folder) for folder in folders]
    return [one.verify() for one in pulled]


def _versions(finding: Finding) -> str:
    named = ", ".join(output.short(id) for id in finding.versions[:MOST_NAMED])
    more = finding.affected - min(len(finding.versions), MOST_NAMED)
    return f"{named} and {more} more" if more > 0 else named
