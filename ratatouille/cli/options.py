"""Options that many commands share, with one meaning each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Remote = Annotated[
    str | None,
    typer.Option(
        "--remote", help="Registry: a name from `remote list`, grpc://host:port, or a folder.", metavar="REMOTE"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document for scripts.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print JSON lines: one document on each line.")]
PublicName = Annotated[
    str | None,
    typer.Option("--name", help="How the history calls you (default: as `config name` says).", metavar="NAME"),
]
Home = Annotated[Path | None, typer.Option("--folder", help="Where its state is kept.")]
WebPort = Annotated[
    int, typer.Option("--web-port", min=0, max=65535, help="Port of the web page; a free one if it is taken, or 0.")
]
NoWeb = Annotated[bool, typer.Option("--no-web", help="Show no web page.")]
