"""Changes that everyone sees: `release` moves an alias, `tag` names a version for ever, `retract` takes one back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from ratatouille.home import home, public_name
from ratatouille.wording import number_of
from registry.commands.opened import opened
from registry.lists import every
from registry.maintainer import Maintainer
from registry.records import AliasMove, Naming, Retraction
from registry.services.registry import Registry

Why = Annotated[str, typer.Option("--message", "-m", help="Why; it is kept in the history.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
TAGS = output.TableLayout(("tag", "version", "when (UTC)", "by", "why"), drop=("when (UTC)", "by"), prose=("why",))
MOVES = output.TableLayout(
    ("when (UTC)", "from", "to", "how", "by", "why"), drop=("how", "by", "when (UTC)"), prose=("how", "why")
)
AVERAGES = output.TableLayout(("average", "parents left", "replaced by", "why not"), prose=("why not",))
RETRACTIONS = output.TableLayout(
    ("when (UTC)", "version", "by", "averages", "influenced", "why"),
    drop=("influenced", "averages", "when (UTC)", "by"),
    prose=("why",),
)
MOST_SHOWN = 20
"""Versions that are named one by one; `--json` has more."""
_DIGEST = re.compile("[0-9a-f]{64}")


def release(
    revision: Annotated[str | None, typer.Argument(help="The version to release.", metavar="[REV]")] = None,
    name: Annotated[
        str | None, typer.Option("--as", help="The alias to move, such as stable or latest.", metavar="NAME")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the alias's last move back.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show who moved the alias, when and why.")] = False,
    message: Why = "",
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Point an alias at a version; rounds start from there.

    Only the alias that --as names moves. Rounds whose file names no `foundation` start from `latest`. A release is
    refused when somebody else moved the alias meanwhile. Every move is signed and kept.
    """
    if (revision is not None) + undo + history != 1:
        raise Refusal("say what to do: a version to release, or --undo, or --history")
    if name is None:
        raise Refusal("say which alias with --as: stable, or latest, from which rounds start unless they say otherwise")
    with opened(remote) as registry:
        if history:
            moves = list(every(lambda last: registry.releases.alias_history(name, last.number if last else None)))
            if as_json:
                output.print_json({"moves": moves})
            else:
                _show_moves(moves, name)
            return
        before = next((move.version for move in registry.releases.alias_history(name, limit=1)), None)
        maintainer = signing(registry, who)
        move = maintainer.undo(name, message) if revision is None else maintainer.release(revision, name, message)
    if as_json:
        output.print_json({"alias": name, "before": before, "version": move.version})
    else:
        say_move(move, before, message)


def say_move(move: AliasMove, before: str | None, message: str = "") -> None:
    """Where an alias pointed before a command and where it points now, and the command that takes the move back.

    `message` is what its owner wrote, which is kept with a move only.
    """
    if before == move.version:
        lost = ", and the message was not kept: `ratatouille tag` keeps one with a name for the version"
        output.print_line(
            f"{move.name} points at {output.short(move.version)} already: nothing changed{lost if message else ''}"
        )
        return
    output.print_line(f"{move.name}: {_version(before)} → {_version(move.version)}, signed as {move.author}")
    if before is not None:
        back = output.short(before) if move.undo else "--undo"
        output.print_line(f"`ratatouille release {back} --as {move.name}` takes it back")


def tag(
    revision: Annotated[str | None, typer.Argument(help="The version to name.", metavar="[REV]")] = None,
    name: Annotated[str | None, typer.Argument(help="Its name, for ever.", metavar="[NAME]")] = None,
    message: Why = "",
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Give a version a name for ever, or list the names.

    A tag never moves: what `release` moves is an alias.
    """
    with opened(remote) as registry:
        if revision is None:
            tags = list(every(lambda last: registry.releases.tags(last.name if last else "")))
        elif name is None:
            raise Refusal(f"a tag needs a name: `ratatouille tag {revision} NAME`")
        else:
            tags = [signing(registry, who).tag(revision, name, message)]
    if as_json:
        output.print_json({"tags": tags} if revision is None else tags[0])
    elif revision is not None:
        output.print_line(f"{tags[0].name} means {output.short(tags[0].version)} for ever, signed as {tags[0].author}")
    elif tags:
        rows = [(one.name, output.short(one.version), output.when(one.at), one.author, one.message) for one in tags]
        output.print_table(TAGS, rows)
    else:
        output.print_line("no version is tagged; `ratatouille tag REV NAME` names one for ever")


def signing(registry: Registry, name: str | None = None) -> Maintainer:
    """The person at this machine, with the key in their home folder, under the name that they chose.

    Raises:
        Refusal: for a `name` that is none.
    """
    from ratatouille.exchange.signing import Signer

    public_name(None, name)  # a name that cannot be used is said before there is a key
    signer = Signer.open(home() / "key")
    return Maintainer(registry, signer, public_name(signer.node, name).value)


def _show_moves(moves: Sequence[AliasMove], name: str) -> None:
    if not moves:
        raise Refusal(f"alias {name} never pointed anywhere; `ratatouille release REV --as {name}` points it")
    rows = [
        (
            output.when(move.at),
            _version(move.before),
            _version(move.version),
            "undo" if move.undo else "not evaluated" if move.not_evaluated else "",
            move.author or (output.short(move.node) if move.node else "–"),
            move.message,
        )
        for move in moves
    ]
    output.print_table(MOVES, rows)


def _version(id: str | None) -> str:
    return output.short(id) if id else "nothing"


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
            taken_back = list(every(lambda last: registry.releases.retractions(last.number if last else None)))
            _show_retractions(taken_back, as_json)
            return
        if undo:
            _undo(registry, signing(registry, who), str(revision), message, as_json)
            return
        done = signing(registry, who).retract(revision, message, dry_run)
    show_retraction(done, as_json)


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


def plain_retraction(done: Retraction) -> dict[str, object]:
    """A retraction for scripts, with the aliases that it leaves behind."""
    return {**output.plain(done), "left_behind": output.plain(done.left_behind)}


def show_retraction(done: Retraction, as_json: bool) -> None:
    """A retraction, done or only asked about."""
    if as_json:
        output.print_json(plain_retraction(done))
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
        output.print_table(AVERAGES, rows, title="Averages it was in")
    for name, namings in (("alias", done.aliases), ("tag", done.tags)):
        for one in namings:
            output.print_line(_naming(name, one, one in done.left_behind, done.number is None))
    if done.influenced_in_all:
        shown = ", ".join(output.short(id) for id in done.influenced[:MOST_SHOWN])
        more = done.influenced_in_all - len(done.influenced[:MOST_SHOWN])
        rest = f" and {more} more (--json)" if more else ""
        words = (
            "version comes from trainings on these, and stands",
            "versions come from trainings on these, and stand",
        )
        output.print_line(f"{number_of(done.influenced_in_all, *words)}: {shown}{rest}")
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
        undo = f"`release --undo --as {one.name}`"
        return f"alias {one.name} still points at {here}: release another version there, or {undo}"
    there = "its replacement" if one.replacement is None else output.short(one.replacement)
    return f"alias {one.name} {'would move' if dry_run else 'moved'} from {here} to {there}"


def _show_retractions(retractions: list[Retraction], as_json: bool) -> None:
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
        output.print_table(RETRACTIONS, rows)
    else:
        output.print_line("nothing was ever taken back; `ratatouille retract REV -m why` does it")
