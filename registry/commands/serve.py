"""`ratatouille registry serve` and `web`: the service alone with its web page, and the page alone of any registry."""

from __future__ import annotations

from typing import Annotated

import typer

from ratatouille.cli import output
from ratatouille.cli.output import Home, NoWeb, Remote, WebPort
from ratatouille.errors import Refusal
from ratatouille.home import DEFAULT_PORT, DEFAULT_WEB_PORT, home
from ratatouille.processes import refuse_taken_port, stop_on_signals

_WEB_END_SECONDS = 10.0


def serve(
    folder: Home = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
    web_port: WebPort = DEFAULT_WEB_PORT,
    no_web: NoWeb = False,
) -> None:
    """Serve a registry without a coordinator.

    It runs until Ctrl-C, on loopback, without encryption, and shows the history as a web page beside it. Without
    --folder it is the registry of this machine's coordinator.
    """
    from registry.server.process import serve as serve_folder

    output.say_what_happens()
    if port:
        refuse_taken_port(port, "the registry", "--port")  # before the folder becomes a registry
    serve_folder(
        folder or home() / "coordinator" / "registry", port, ready=output.print_line, web=None if no_web else web_port
    )


def web(remote: Remote = None, web_port: WebPort = DEFAULT_WEB_PORT) -> None:
    """Show a registry's history as a web page.

    It runs until Ctrl-C, for browsers on this machine only, and changes nothing. `registry serve` and `coordinator up`
    show the same page of their own registry.
    """
    stop = stop_on_signals(_WEB_END_SECONDS)
    from registry.commands.opened import opened
    from registry.server.page import MISSING, can_open_page, open_page

    if not can_open_page():
        raise Refusal(MISSING)
    output.say_what_happens()
    with opened(remote) as registry:
        registry.info()  # says now, rather than on a page, that nobody answers
        page = open_page(registry, web_port)
        output.print_line(page.sentence)
        stop.wait()
        page.stop()
