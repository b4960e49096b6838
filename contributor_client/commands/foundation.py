"""`ratatouille foundation`: enter the weights that everybody starts from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ratatouille.cli.options import AsJson, PublicName, Remote
from ratatouille.cli.output import console, print_json, short
from ratatouille.home import home, public_name, remote_in_force


def foundation(
    source: Annotated[str, typer.Argument(help="efficientnet-lite0, timm:NAME (pre-trained), or FILE.safetensors.")],
    architecture: Annotated[str | None, typer.Option(help="timm name of the network that a FILE belongs to.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that the network sees (default: its own).")] = None,
    alias: Annotated[str, typer.Option("--as", help="Alias to point at it.")] = "latest",
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Enter the weights that everybody starts from.

    Entering the same weights again changes nothing but the alias. Of a FILE the history keeps its name and its SHA-256,
    never the folder that it lies in.
    """
    from contributor_client.foundation import enter_foundation
    from ratatouille.exchange.signing import Signer
    from registry.callers.maintain import Maintainer
    from registry.opening import open_registry

    public_name(None, who)  # a name that cannot be used is said before anything is entered
    registry = open_registry(remote_in_force(remote).value)
    signer = Signer.open(home() / "key")
    with tempfile.TemporaryDirectory() as folder:
        result = enter_foundation(registry, signer, Path(folder), source, architecture, image_size)
    assert result.version is not None
    Maintainer(registry, signer, public_name(signer.node, who).value).release(
        result.version, alias, f"foundation {_without_folder(source)}"
    )
    if as_json:
        print_json(result)
    else:
        console.print(f"{source} is version {short(result.version)}, and '{alias}' points at it")


def _without_folder(source: str) -> str:
    """What the history says of a source: where a person keeps their files is nobody's business."""
    return Path(source).name if Path(source).is_file() else source
