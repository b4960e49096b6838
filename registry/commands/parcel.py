"""`registry export` and `registry import`: versions with their ancestors as one file, for others to check and take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, counting
from ratatouille.errors import Refusal
from ratatouille.folders import expanded
from registry.commands.opened import opened, own_folder


def export(
    words: Annotated[list[str], typer.Argument(help="Versions, then the file to write.", metavar="REV... FILE")],
    depth: Annotated[int | None, typer.Option(min=0, max=10_000, help="How many steps back; all by default.")] = None,
    tags: Annotated[bool, typer.Option("--tags", help="Let their tags go with them.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Write versions with their ancestors and receipts to one file.

    The file has their ancestors, signed receipts, definitions, evaluations and weights: everything that `registry
    import` needs to check them. With --depth the file is smaller, and is accepted only by a registry that has the
    ancestors further back.
    """
    if len(words) < 2:
        raise Refusal("name the versions and then the file, such as `ratatouille registry export stable stable.tar`")
    from registry.exports.bundles.export import export as write

    file = expanded(words[-1])
    with opened(remote) as registry, counting("bytes") as said:
        parcel = write(registry, words[:-1], file, depth, tags, said)
    if as_json:
        output.print_json({"id": parcel.digest, **output.plain(parcel)})
    else:
        counts = f"{_count(parcel.versions.lines, 'version')}, {parcel.weights} weights ({parcel.bytes / 1e6:.1f} MB)"
        output.print_line(f"'{file}' holds {counts}; it is {parcel.digest}")
        if parcel.needs:
            output.print_line(f"it is taken where these are known: {', '.join(map(output.short, parcel.needs))}")


def import_(
    file: Annotated[Path, typer.Argument(help="What `registry export` wrote.", metavar="FILE")],
    unproved: Annotated[
        bool, typer.Option("--unproved", help="Take averages too that cannot be computed again.")
    ] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Check versions from a file, and enter them with their history.

    Receipts, definitions and weights pass what a push passes, and averages are computed again. Versions keep their ids.
    Nothing is entered unless all of it is right; what was interrupted is run again and goes on. --remote must name the
    registry's own folder.
    """
    own = own_folder(remote, "registry import")
    from registry.exports.bundles.entering import enter
    from registry.services.local import LocalRegistry

    registry = LocalRegistry(own)
    try:
        with counting("bytes") as said:
            plan = enter(registry.storage, expanded(file), unproved, said)
    finally:
        registry.close()
    said_of = {"versions": plan.versions, "known": plan.known, "evaluations": plan.evaluations, "tags": plan.tags}
    if as_json:
        output.print_json({**said_of, "unproved": plan.unproved})
        return
    for sentence in plan.unproved:
        output.print_line(f"not proved: {sentence}")
    with_them = f"{_count(plan.evaluations, 'evaluation')} and {_count(plan.tags, 'tag')} came with them"
    output.print_line(f"{_count(plan.versions, 'version')} new, {plan.known} known; {with_them}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
