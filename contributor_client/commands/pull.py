"""`ratatouille pull`: a version as a folder that other software loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli.output import AsJson, Remote, print_json, print_line, short, transferring
from ratatouille.home import remote_in_force
from registry.commands.log_heads import reading


def pull(
    revision: Annotated[str, typer.Argument(help="The version to pull.", metavar="REV")],
    folder: Annotated[
        Path | None, typer.Argument(help="Where to write it (default: a new folder here).", metavar="[DIR]")
    ] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Write featurizer and head as they are kept; needs neither timm nor torch.")
    ] = False,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Write a version to a folder that timm and Hugging Face load.

    Weights under timm's names, config.json, a model card, and ratatouille.json with the signed receipt, which `verify`
    checks. A pull that broke off goes on where it stopped; a folder that holds something else is refused.
    """
    from contributor_client.pulling import pull

    address = remote_in_force(remote).value
    with reading(remote) as registry:
        if as_json:
            print_json(pull(registry, revision, folder, parts=parts, address=address))
            return
        with transferring("fetching weights") as progress:
            written = pull(registry, revision, folder, parts=parts, address=address, progress=progress)
        if written.new:
            print_line(f"version {short(written.version)} is in '{written.folder}': {', '.join(written.files)}")
        else:
            print_line(f"version {short(written.version)} was in '{written.folder}' already, and is what it says")
