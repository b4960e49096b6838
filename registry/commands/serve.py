"""`ratatouille registry serve`: the service alone, for reading a history or for a coordinator elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.home import DEFAULT_PORT, home
from ratatouille.cli.options import Home
from ratatouille.processes import refuse_taken_port


def serve(
    folder: Home = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
) -> None:
    """Serve a registry without a coordinator.

    It runs until Ctrl-C, on loopback, without encryption. Without --folder it is the registry of this machine's
    coordinator.
    """
    from registry.service import serve as serve_folder

    output.say_what_happens()
    if port:
        refuse_taken_port(port, "the registry", "--port")  # before the folder becomes a registry
    serve_folder(folder or home() / "coordinator" / "registry", port, ready=output.print_line)
