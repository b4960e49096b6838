"""`python -m registry.server --folder FOLDER`: the process that a coordinator starts."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from ratatouille.errors import RatatouilleError
from ratatouille.printable import log_printably
from ratatouille.proxies import go_straight_to_loopback
from registry.server.process import serve


def main() -> int:
    """The process's entry."""
    parser = argparse.ArgumentParser(prog="python -m registry.server", description="Serve a registry folder over gRPC.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=9290, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--web-port", type=int, help="show the web page there; 0 takes a free one")
    parser.add_argument("--coordinator", help="key of the only coordinator that may announce itself")
    arguments = parser.parse_args()
    go_straight_to_loopback()
    log_printably()
    try:
        said = partial(print, flush=True)
        serve(arguments.folder, arguments.port, arguments.host, said, arguments.web_port, arguments.coordinator)
    except RatatouilleError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
