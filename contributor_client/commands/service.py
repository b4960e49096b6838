"""`ratatouille node service`: files for systemd and Docker Compose that run a node."""

from __future__ import annotations

import getpass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

from ratatouille.cli.output import Home, Remote, print_line
from ratatouille.home import home, remote_in_force


def service(
    kind: Annotated[Literal["systemd", "compose"], typer.Argument(help="For systemd, or for Docker Compose.")],
    file: Annotated[Path, typer.Argument(help="The node's settings.", metavar="[NODE.TOML]")] = Path("node.toml"),
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write it (default: it is printed).", metavar="FILE")
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="systemd: a unit for the whole machine, under your name.")
    ] = False,
    remote: Remote = None,
    folder: Home = None,
) -> None:
    """Write a systemd unit or a Compose file that runs a node, with your paths.

    Stopping the service lets the node save its training. The unit is for `systemctl --user`, unless --system is said.
    The Compose file builds an image of this release from Python's public one. Nothing is started.
    """
    from contributor_client.service_files import ServiceOf, compose_file, systemd_unit
    from ratatouille.errors import Refusal
    from ratatouille.folders import write_whole
    from ratatouille.tasks.node import read_node_settings

    if system and kind != "systemd":
        raise Refusal("--system is for systemd; leave it out")
    settings = read_node_settings(file)
    place = folder or settings.place
    address = remote_in_force(remote or settings.remote).value
    made = ServiceOf(settings, file.absolute(), home().absolute(), place.absolute(), address)
    if kind == "systemd":
        text = systemd_unit(made, getpass.getuser() if system else None)
    else:
        text = compose_file(made, version("model-ratatouille"))
    if output is None:
        print(text, end="")
        return
    write_whole(output, [text.encode()])
    print_line(f"wrote {output}")
