"""`ratatouille node forget`: remove what this machine keeps of images, which are copies of them in another form."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.options import AsJson
from ratatouille.errors import Refusal
from ratatouille.home import home

if TYPE_CHECKING:
    from ratatouille.tasks.kept import Kept

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Only of these nodes (default: all in the home folder).", metavar="[NODE.TOML...]"),
]


def forget(
    files: Files = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what this machine keeps of your images: decoded copies, features, hashes, checkpoints.

    Your images themselves stay, and so do the node's key and the weights that it fetched. Without NODE.TOML it is what
    all nodes in the home folder, rehearsals, `evaluate` and `best --data` keep. Without a terminal it wants --yes.
    """
    found = _found(files)
    if not as_json:
        rows = [(one.what, str(one.place), str(one.files), _megabytes(one.bytes)) for one in found]
        if not found:
            output.print_line("nothing is kept of any image")
            return
        output.print_table(("what", "where", "files", "MB"), rows)
    if found and not yes:
        if as_json or not sys.stdin.isatty():
            raise Refusal("this removes files for good; say --yes, or leave it out at a terminal to be asked")
        typer.confirm("Remove all of it?", abort=True)
    for one in found:
        one.remove()
    if as_json:
        output.print_json(
            {
                "removed": [
                    {"what": one.what, "path": str(one.place), "files": one.files, "bytes": one.bytes} for one in found
                ]
            }
        )
    else:
        output.print_line("removed; the images themselves, keys and fetched weights stay")


def _found(files: Sequence[Path] | None) -> list[Kept]:
    """What is kept by these nodes, or by everything in the home folder.

    Raises:
        Refusal: for a node that runs.
    """
    from contributor_client.paths import refuse_running
    from ratatouille.tasks.kept import OWN_DATA, kept_in
    from ratatouille.tasks.node import read_node_settings

    settings = [read_node_settings(file) for file in files or ()]
    nodes = [one.folder or home() / "nodes" / one.name for one in settings]
    if not files:
        nodes = [*sorted(home().glob("nodes/*")), home() / "rehearsal"]
    for node in nodes:
        refuse_running(node)
    found = [one for node in nodes for one in kept_in(node)]
    return found if files else [*found, *kept_in(home() / "own-data", OWN_DATA)]


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}"
