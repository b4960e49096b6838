"""`ratatouille foundation`: weights from a file, timm or a package become the first version of a history."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratatouille.cli.output import AsJson, PublicName, Remote, print_json, print_line, short
from ratatouille.home import home, public_name, remote_in_force

if TYPE_CHECKING:
    from ratatouille.exchange.signing import Signer
    from registry.records import Result
    from registry.services.registry import Registry


def foundation(
    source: Annotated[str, typer.Argument(help="efficientnet-lite0, timm:NAME (pre-trained), or FILE.safetensors.")],
    architecture: Annotated[str | None, typer.Option(help="timm name of the network that a FILE belongs to.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that the network sees (default: its own).")] = None,
    alias: Annotated[
        str | None, typer.Option("--as", help="The alias to move there, such as latest (default: none).")
    ] = None,
    who: PublicName = None,
    remote: Remote = None,
    as_json: AsJson = False,
) -> None:
    """Enter the weights that everybody starts from.

    With --as latest, rounds start from there unless their file names another `foundation`. Entering the same weights
    again changes nothing but the alias. Of a FILE the history keeps its name and its SHA-256,
    never the folder that it lies in.
    """
    from ratatouille.exchange.signing import Signer
    from registry.commands.release import say_move
    from registry.maintainer import Maintainer
    from registry.opening import open_registry

    # Imported first, so that a package that is missing is named before a key is made.
    import_module("ratatouille.training.eager").leave_out_compiler()
    import_module("ratatouille.training.foundation")
    public_name(None, who)  # a name that cannot be used is said before anything is entered
    registry = open_registry(remote_in_force(remote).value)
    signer = Signer.open(home() / "key")
    with tempfile.TemporaryDirectory() as folder:
        result = enter_foundation(registry, signer, Path(folder), source, architecture, image_size)
    assert result.version is not None
    before, move = None, None
    if alias is not None:
        before = next((one.version for one in registry.releases.alias_history(alias, limit=1)), None)
        maintainer = Maintainer(registry, signer, public_name(signer.node, who).value)
        move = maintainer.release(result.version, alias, f"foundation {_without_folder(source)}")
    if as_json:
        print_json(result)
        return
    print_line(f"{source} is version {short(result.version)}")
    if move is not None:
        say_move(move, before)
    else:
        print_line(f"rounds start from it after `ratatouille release {short(result.version)} --as latest`")


def _without_folder(source: str) -> str:
    """What the history says of a source: where a person keeps their files is not part of it."""
    return Path(source).name if Path(source).is_file() else source


def enter_foundation(
    registry: Registry,
    signer: Signer,
    folder: Path,
    source: str,
    architecture: str | None = None,
    image_size: int | None = None,
) -> Result:
    """Push a foundation's featurizer; `folder` takes the encoded file.

    Raises:
        Refusal: unknown source, weights of another architecture, NaN, or what the registry refuses.
    """
    from ratatouille.exchange.assignment import Import
    from ratatouille.exchange.receipt import Receipt
    from ratatouille.record import sha256
    from ratatouille.training.foundation import load_foundation
    from ratatouille.weights.canonical import encode
    from ratatouille.weights.compatibility import refuse_other_foundation
    from registry.exports.folders.importing import find_checkpoint

    found = load_foundation(source, architecture, image_size)
    if Path(source).is_file():
        refuse_other_foundation(find_checkpoint(Path(source)).said, found.architecture)
    data = encode(found.featurizer)
    digest = sha256(data)
    path = folder / digest
    path.write_bytes(data)
    question = Import(
        architecture=registry.definitions.define_architecture(found.architecture),
        featurizer=digest,
        source=found.source,
    )
    receipt = Receipt(assignment=question, node=signer.node, featurizer=digest)
    return registry.weights.push(signer.seal(receipt), {digest: path})
