"""Models to publish: an architecture of one large tensor, random weights for it, and signed imports of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.record import sha256
from ratatouille.weights.architecture import Architecture, Tensor
from ratatouille.weights.canonical import encode


def architecture(numbers: int) -> Architecture:
    """A featurizer of so many numbers in one tensor."""
    return Architecture(
        name="bench",
        input_size=8,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        padding="symmetric",
        width=8,
        featurizer=(Tensor(name="weight", shape=(numbers,)),),
    )


def model(signer: Signer, network: Architecture, seed: int, folder: Path) -> tuple[Sealed, dict[str, Path]]:
    """A file with random weights, and the signed receipt of their import."""
    numbers = network.featurizer[0].shape[0]
    data = encode({"weight": np.random.default_rng(seed).standard_normal(numbers, dtype=np.float32)})
    digest = sha256(data)
    path = folder / f"{digest}.safetensors"
    path.write_bytes(data)
    work = Import(architecture=network.digest, featurizer=digest, source=f"seed {seed}")
    return signer.seal(Receipt(assignment=work, node=signer.node, featurizer=digest)), {digest: path}
