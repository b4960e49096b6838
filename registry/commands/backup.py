"""`registry backup` and `registry restore`: a registry as a folder of plain files, and back; so it is how one moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import AsJson, Remote, counting
from ratatouille.folders import expanded
from registry.callers.walk import audit
from registry.commands.opened import own_folder
from registry.commands.verify import following, say_audit


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

    registry = LocalRegistry(own)
    try:
        with counting("bytes") as said:
            saved = save(registry.storage, expanded(folder).resolve(), check, prune, said)
    finally:
        registry.close()
    manifest = saved.manifest
    if as_json:
        output.print_json({"copied": saved.copied, **output.plain(manifest)})
    else:
        versions = sum(table.rows for table in manifest.tables if table.table == "versions")
        weights = f"{manifest.blobs} weights ({manifest.bytes / 1e6:.1f} MB)"
        output.print_line(f"'{folder}' holds {versions} versions and {weights}; {saved.copied} were copied now")
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
    with counting("bytes") as said:
        manifest = fill(expanded(folder), to, StorageConfig(database=database, weights=weights), said)
    registry = LocalRegistry(to)
    try:
        with following() as stage:
            whole = audit(registry, stage)
    finally:
        registry.close()
    if as_json:
        output.print_json({"ok": whole.verdict != "wrong", "findings": whole.findings, **output.plain(manifest)})
    else:
        say_audit(whole)
        output.print_line(f"'{to}' is a registry; `ratatouille registry serve --folder {to}` serves it")
    if whole.verdict == "wrong":
        raise typer.Exit(1)
