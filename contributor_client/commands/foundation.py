"""`ratatouille foundation`: enter the weights that everybody starts from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli.home import author, home, remote_in_force
from ratatouille.cli.options import AsJson, Remote
from ratatouille.cli.output import console, print_json, short


def foundation(
    source: Annotated[str, typer.Argument(help="efficientnet-lite0, timm:NAME (pre-trained), or FILE.safetensors.")],
    architecture: Annotated[str | None, typer.Option(help="timm name of the network that a FILE belongs to.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that the network sees (default: its own).")] = None,
    alias: Annotated[str, typer.Option("--as", help="Alias to point at it.")] = "latest",
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Enter the weights that everybody starts from.

    Entering the same weights again changes nothing but the alias.
    """
    from contributor_client.foundation import enter_foundation
    from ratatouille.exchange.signing import Signer
    from registry.changes.maintain import Maintainer
    from registry.opening import open_registry

    registry = open_registry(remote_in_force(remote).value)
    signer = Signer.open(home() / "key")
    with tempfile.TemporaryDirectory() as folder:
        result = enter_foundation(registry, signer, Path(folder), source, architecture, image_size)
    assert result.version is not None
    Maintainer(registry, signer, author()).release(result.version, alias, f"foundation {source}")
    if as_json:
        print_json(result)
    else:
        console.print(f"{source} is version {short(result.version)}, and '{alias}' points at it")
