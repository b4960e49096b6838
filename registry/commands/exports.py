"""Versions that leave a registry and come back: `registry backup`, `restore`, `export` and `import`.

A backup is a whole registry as a folder of plain files. An export is versions with their ancestors as one file, which
others can check."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, counting
from ratatouille.errors import Refusal
from ratatouille.folders import expanded
from ratatouille.wording import number_of
from registry.commands.opened import opened, own_folder
from registry.commands.verify import audit, following, say_audit


def backup(
    folder: Annotated[Path, typer.Argument(help="Where to; an earlier backup is updated.", metavar="FOLDER")],
    check: Annotated[bool, typer.Option("--check", help="Hash the weights that are in the folder already.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove weights that gc has collected since.")] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Copy history and weights to a folder, while the registry is in use.

    A second backup into the same folder copies what is new. Whenever it is killed, the folder holds the last whole
    backup. --remote must name the registry's own folder.
    """
    own = own_folder(remote, "registry backup")
    from registry.exports.backup.save import save
    from registry.services.local import LocalRegistry

    with closing(LocalRegistry(own)) as registry, counting("bytes") as progress:
        saved = save(registry.storage, expanded(folder).resolve(), check, prune, progress)
    manifest = saved.manifest
    if as_json:
        output.print_json({"copied": saved.copied, **output.plain(manifest)})
    else:
        versions = sum(table.rows for table in manifest.tables if table.table == "versions")
        weights = f"{manifest.blobs} weights ({manifest.bytes / 1e6:.1f} MB)"
        copied = number_of(saved.copied, "was", "were")
        output.print_line(f"'{folder}' holds {number_of(versions, 'version')} and {weights}; {copied} copied now")
        for digest in manifest.missing:
            output.print_line(f"weights {digest} are missing or damaged in the registry, and not in the backup")
    if manifest.missing:
        raise typer.Exit(1)


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup.", metavar="FOLDER")],
    to: Annotated[Path, typer.Option("--to", help="The new registry's folder.")],
    database: Annotated[
        str | None, typer.Option(help="postgresql://user@host/name; by default a file in the folder.", metavar="URL")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix, or a folder; by default in the folder.", metavar="URL")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a registry from a backup, with any database and any store.

    The new registry must be empty. What is killed can be run again. At the end everything is verified, and the command
    ends with code 1 when something is wrong.
    """
    from registry.exports.backup.restore import restore as fill
    from registry.services.local import LocalRegistry
    from registry.storage_config import StorageConfig

    to = expanded(to).resolve()
    with counting("bytes") as progress:
        manifest = fill(expanded(folder), to, StorageConfig(database=database, weights=weights), progress)
    with closing(LocalRegistry(to)) as registry, following() as stage:
        whole = audit(registry, stage)
    if as_json:
        output.print_json({"ok": whole.verdict != "wrong", "findings": whole.findings, **output.plain(manifest)})
    else:
        say_audit(whole)
        output.print_line(f"'{to}' is a registry; `ratatouille registry serve --folder {to}` serves it")
        output.print_line(
            "readers who saw a later history are warned: put the former log.key into that folder, and say why with "
            "`ratatouille registry restored -m WHY`"
        )
    if whole.verdict == "wrong":
        raise typer.Exit(1)


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
    with opened(remote) as registry, counting("bytes") as progress:
        bundle = write(registry, words[:-1], file, depth, tags, progress)
    if as_json:
        output.print_json({"id": bundle.digest, **output.plain(bundle)})
    else:
        counts = (
            f"{number_of(bundle.versions.lines, 'version')}, {bundle.weights} weights ({bundle.bytes / 1e6:.1f} MB)"
        )
        output.print_line(f"'{file}' holds {counts}; it is {bundle.digest}")
        if bundle.needs:
            output.print_line(f"it is taken where these are known: {', '.join(map(output.short, bundle.needs))}")


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

    with closing(LocalRegistry(own)) as registry, counting("bytes") as progress:
        plan = enter(registry.storage, expanded(file), unproved, progress)
    if as_json:
        names = ("versions", "known", "evaluations", "tags", "unproved")
        output.print_json({name: getattr(plan, name) for name in names})
        return
    for sentence in plan.unproved:
        output.print_line(f"not proved: {sentence}")
    with_them = f"{number_of(plan.evaluations, 'evaluation')} and {number_of(plan.tags, 'tag')} came with them"
    output.print_line(f"{number_of(plan.versions, 'version')} new, {plan.known} known; {with_them}")
