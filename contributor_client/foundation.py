"""Entering a foundation: weights from a file, timm or a package become the first version of a history."""

from __future__ import annotations

from pathlib import Path

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.record import sha256
from ratatouille.training.foundation import load_foundation
from ratatouille.weights.canonical import encode
from ratatouille.weights.compatibility import refuse_other_foundation
from registry.exports.folders.checkpoints import find_checkpoint
from registry.records import Result
from registry.services.registry import Registry


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
