"""`ratatouille retract`: a maintainer takes a version back; and how what became of it is said, for `withdraw` too."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from registry.callers.maintain import Maintainer
from registry.commands.opened import opened
from registry.commands.release import signing
from registry.lists import every
from registry.records import Naming, Retraction
from registry.services.registry import Registry

Why = Annotated[str, typer.Option("--message", "-m", help="Why; it is kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
_DIGEST = re.compile("[0-9a-f]{64}")
MOST_SHOWN = 20
"""Versions that are named one by one; `--json` has more."""


def retract(
    revision: Annotated[str | None, typer.Argument(help="The version to take back.", metavar="[REV]")] = None,
    message: Why = "",
    undo: Annotated[
        bool, typer.Option("--undo", help="Let what was taken back come again, when its node pushes it again.")
    ] = False,
    dry_run: DryRun = False,
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Take a version back, and make its averages again without it.

    Its question is open again. Every average that it is in is made again from its other parents, and aliases move
    there. Versions that were trained from it are listed and stand: that influence cannot be taken back. Without REV it
    lists what was taken back.

    A receipt that was taken back is refused for ever, unless a maintainer signs with --undo that it may come again;
    name it by its version, or by its receipt.
    """
    if undo and (revision is None or dry_run):
        raise Refusal("--undo needs the version or receipt that may come again, and knows no --dry-run")
    with opened(remote) as registry:
        if revision is None:
            _show_all(list(every(lambda last: registry.releases.retractions(last.number if last else None))), as_json)
            return
        if undo:
            _undo(registry, signing(registry, who), str(revision), message, as_json)
            return
        done = signing(registry, who).retract(revision, message, dry_run)
    show(done, as_json)


def _undo(registry: Registry, maintainer: Maintainer, wanted: str, message: str, as_json: bool) -> None:
    receipt = _receipt(registry, wanted)
    maintainer.restore(receipt, message)
    if as_json:
        output.print_json({"receipt": receipt, "may_return": True})
        return
    output.print_line(f"receipt {output.short(receipt)} may come again: its node pushes it, or is asked again")


def _receipt(registry: Registry, wanted: str) -> str:
    """The receipt that is meant: it is named itself, or by its version.

    Raises:
        Refusal: for an unknown version, and for an average, which has no receipt.
    """
    try:
        found = registry.versions.show(wanted).entry.version.receipt
    except Refusal:
        if _DIGEST.fullmatch(wanted):
            return wanted
        raise
    if found is None:
        raise Refusal(
            f"version {wanted[:12]} is an average, which the registry made; `ratatouille release` names the version "
            "that people should use"
        )
    return found


def plain(done: Retraction) -> dict[str, object]:
    """A retraction for scripts, with the aliases that it leaves behind."""
    return {**output.plain(done), "left_behind": output.plain(done.left_behind)}


def show(done: Retraction, as_json: bool) -> None:
    """A retraction, done or only asked about."""
    if as_json:
        output.print_json(plain(done))
        return
    verb = {"contributor": "withdrawn", "maintainer": "retracted"}[done.standing]
    who = done.author or output.short(done.node)
    said = "would be " if done.number is None else ""
    when = "" if done.number is None else f" by {who} on {output.when(done.at)} (UTC)"
    output.print_line(f"{output.short(done.version)} {said or 'was '}{verb}{when}: {done.message}")
    if done.averages:
        asked = done.number is None
        rows = [
            (output.short(one.version), str(one.parents), _fate(one.replacement, asked and not one.reason), one.reason)
            for one in done.averages
        ]
        output.print_table(("average", "parents left", "replaced by", "why not"), rows, title="Averages it was in")
    for name, namings in (("alias", done.aliases), ("tag", done.tags)):
        for one in namings:
            output.print_line(_naming(name, one, one in done.left_behind, done.number is None))
    if done.influenced_in_all:
        shown = ", ".join(output.short(id) for id in done.influenced[:MOST_SHOWN])
        more = done.influenced_in_all - len(done.influenced[:MOST_SHOWN])
        rest = f" and {more} more (--json)" if more else ""
        output.print_line(f"{done.influenced_in_all} versions come from trainings on these, and stand: {shown}{rest}")
        output.print_line("What they learnt from it stays in them; retract them too, or train them again.")


def _fate(replacement: str | None, comes: bool) -> str:
    if replacement is not None:
        return output.short(replacement)
    return "a new average" if comes else "nothing"


def _naming(kind: str, one: Naming, stays: bool, dry_run: bool) -> str:
    here = output.short(one.version)
    if kind == "tag":
        return f"tag {one.name} means {here} for ever, and stays"
    if stays:
        return f"alias {one.name} still points at {here}: release another version there, or `release --undo` it"
    there = "its replacement" if one.replacement is None else output.short(one.replacement)
    return f"alias {one.name} {'would move' if dry_run else 'moved'} from {here} to {there}"


def _show_all(retractions: list[Retraction], as_json: bool) -> None:
    if as_json:
        output.print_json({"retractions": retractions})
    elif retractions:
        rows = [
            (
                output.when(one.at),
                output.short(one.version),
                f"{one.author or output.short(one.node)} ({one.standing})",
                str(len(one.averages)),
                str(one.influenced_in_all),
                one.message,
            )
            for one in retractions
        ]
        output.print_table(("when (UTC)", "version", "by", "averages", "influenced", "why"), rows)
    else:
        output.print_line("nothing was ever taken back; `ratatouille retract REV -m why` does it")
