"""A tiny architecture and random networks of it."""

from pathlib import Path

import numpy as np

from coordinator.benchmark.admission.attacks import Situation
from coordinator.benchmark.admission.weights import FlatWeights, Layout
from ratatouille.weights.architecture import Architecture, Part, Tensor
from ratatouille.weights.canonical import Array, encode

CLASSES = 3
TINY = Architecture(
    name="tiny",
    input_size=8,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    padding="same",
    width=4,
    featurizer=(
        Tensor(name="conv.weight", shape=(4, 3, 2, 2)),
        Tensor(name="bn.running_mean", shape=(4,), buffer=True),
        Tensor(name="bn.num_batches_tracked", dtype="I64", buffer=True),
        Tensor(name="bn.weight", shape=(4,)),
    ),
)
LAYOUT = Layout(TINY, CLASSES)


def network(seed: int, near: FlatWeights | None = None, update: float = 0.1) -> FlatWeights:
    """Random weights, or weights that differ from others by a random update with these values' standard deviation."""
    drawn = np.random.default_rng(seed).standard_normal(48 + 4 + CLASSES + CLASSES * 4)
    if near is not None:
        return near.moved(near.values + update * drawn)
    buffers: dict[str, Array] = {"bn.running_mean": np.ones(4, np.float32)}
    buffers["bn.num_batches_tracked"] = np.array(7, np.int64)
    return FlatWeights(drawn.astype(np.float32), buffers)


def situation(peers: int = 4) -> Situation:
    """An attacker among honest peers, all of one start."""
    origin = network(0)
    start = network(1, origin, update=0.02)
    return Situation(
        own=network(2, start),
        start=start,
        origin=origin,
        head=LAYOUT.head,
        classes=CLASSES,
        peers=[network(10 + number, start) for number in range(peers)],
        elsewhere=network(3, origin),
        seed=99,
        trained={"label flip": network(4, start), "backdoor": network(5, start)},
    )


def write(weights: FlatWeights, folder: Path) -> dict[Part, Path]:
    """The canonical files of both parts."""
    paths: dict[Part, Path] = {}
    for part, arrays in LAYOUT.parts(weights).items():
        paths[part] = folder / f"{part}.safetensors"
        paths[part].write_bytes(encode(arrays))
    return paths
