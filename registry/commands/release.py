"""Commands that name versions: `release` moves an alias, back too, and shows its moves; `tag` names one for ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, PublicName, Remote
from ratatouille.errors import Refusal
from ratatouille.home import home, public_name
from registry.callers.maintain import Maintainer
from registry.commands.opened import opened
from registry.lists import every
from registry.records import AliasMove
from registry.services.registry import Registry

Why = Annotated[str, typer.Option("--message", "-m", help="Why; it is kept in the history.")]


def release(
    revision: Annotated[str | None, typer.Argument(help="The version to release.", metavar="[REV]")] = None,
    name: Annotated[str, typer.Option("--as", help="The alias to move.", metavar="NAME")] = "latest",
    undo: Annotated[bool, typer.Option("--undo", help="Take the alias's last move back.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Show who moved the alias, when and why.")] = False,
    message: Why = "",
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Point an alias at a version; rounds start from there.

    A release is refused when somebody else moved the alias meanwhile. Every move is signed and kept.
    """
    if (revision is not None) + undo + history != 1:
        raise Refusal("say what to do: a version to release, or --undo, or --history")
    with opened(remote) as registry:
        if history:
            moves = list(every(lambda last: registry.releases.alias_history(name, last.number if last else None)))
            if as_json:
                output.print_json({"moves": moves})
            else:
                _show_history(moves, name)
            return
        before = next((move.version for move in registry.releases.alias_history(name, limit=1)), None)
        maintainer = signing(registry, who)
        move = maintainer.undo(name, message) if revision is None else maintainer.release(revision, name, message)
    if as_json:
        output.print_json({"alias": name, "before": before, "version": move.version})
    elif before == move.version:
        output.print_line(f"{name} points at {output.short(move.version)} already")
    else:
        output.print_line(f"{name}: {_version(before)} → {_version(move.version)}, signed as {move.author}")


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
        output.print_table(("tag", "version", "when (UTC)", "by", "why"), rows)
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


def _show_history(moves: Sequence[AliasMove], name: str) -> None:
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
    output.print_table(("when (UTC)", "from", "to", "", "by", "why"), rows)


def _version(id: str | None) -> str:
    return output.short(id) if id else "nothing"
