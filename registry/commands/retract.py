"""Commands that take versions back: `retract` for maintainers, `withdraw` for who contributed them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.home import home, public_name
from ratatouille.cli.options import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from registry.changes.maintain import Maintainer, contributor_of
from registry.commands.opened import opened
from registry.commands.release import signing
from registry.records import Naming, Retraction

Why = Annotated[str, typer.Option("--message", "-m", help="Why; it is kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
MOST_SHOWN = 20
"""Versions that are named one by one; `--json` has more."""


def retract(
    revision: Annotated[str | None, typer.Argument(help="The version to take back.", metavar="[REV]")] = None,
    message: Why = "",
    dry_run: DryRun = False,
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Take a version back, and make its averages again without it.

    Its question is open again. Every average that it is in is made again from its other parents, and aliases move
    there. Versions that were trained from it are listed and stand: that influence cannot be taken back. Without REV it
    lists what was taken back.
    """
    with opened(remote) as registry:
        if revision is None:
            _show_all(registry.retractions(), as_json)
            return
        done = signing(registry, who).retract(revision, message, dry_run)
    _show(done, as_json)


def withdraw(
    revision: Annotated[str, typer.Argument(help="The version that was contributed.", metavar="CONTRIBUTION")],
    message: Why = "",
    dry_run: DryRun = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="The node's folder; by default all nodes of this machine.")
    ] = None,
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Take back what a node of this machine contributed.

    It is signed with the key that signed the contribution, so only its owner can do this. What follows is the same as
    for `retract`.
    """
    with opened(remote) as registry:
        public_name(None, who)  # a name that cannot be used is said first
        entry = registry.show(revision).entry
        signer = _owner(contributor_of(entry), folder)
        done = Maintainer(registry, signer, public_name(signer.node, who).value).withdraw(entry.id, message, dry_run)
    _show(done, as_json)


def _owner(node: str, folder: Path | None) -> Signer:
    """The key of this machine with this public half.

    Raises:
        Refusal: when it is not here.
    """
    for path in _keys(folder):
        signer = Signer.open(path)
        if signer.node == node:
            return signer
    where = f"in {folder}" if folder else f"below {home()}"
    raise Refusal(
        f"the key {node[:12]}… that signed this contribution is not {where}; name the node's folder with --folder, "
        "or ask a maintainer to retract it"
    )


def _keys(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield from folder.glob("key")
        return
    for pattern in ("nodes/*/key", "key", "rehearsal/*/key"):
        yield from sorted(home().glob(pattern))


def _show(done: Retraction, as_json: bool) -> None:
    if as_json:
        output.print_json({**output.plain(done), "left_behind": output.plain(done.left_behind)})
        return
    verb = {"contributor": "withdrawn", "maintainer": "retracted"}[done.standing]
    who = done.author or output.short(done.node)
    said = "would be " if done.number is None else ""
    when = "" if done.number is None else f" by {who} on {output.when(done.at)} (UTC)"
    output.print_line(f"{output.short(done.version)} {said or 'was '}{verb}{when}: {done.message}")
    if done.averages:
        rows = [
            (output.short(one.version), str(one.parents), _fate(one.replacement, done.number is None), one.reason)
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


def _fate(replacement: str | None, dry_run: bool) -> str:
    if replacement is not None:
        return output.short(replacement)
    return "a new average" if dry_run else "nothing"


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
        output.print_json(retractions)
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
