"""`ratatouille registry serve`: the service alone, for reading a history or for a coordinator elsewhere."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.home import DEFAULT_PORT, home
from ratatouille.cli.options import Home


def serve(
    folder: Home = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
) -> None:
    """Serve a registry without a coordinator.

    It runs until Ctrl-C, on loopback, without encryption. Without --folder it is the registry of this machine's
    coordinator.
    """
    from registry.service import serve as serve_folder

    logging.getLogger().setLevel(logging.INFO)
    serve_folder(folder or home() / "coordinator" / "registry", port, ready=output.print_line)
