"""Agreement of two networks: does a checkpoint's own network compute what the federation's network computes?

The network that timm builds from what the checkpoint's config.json says, with the checkpoint's tensors, is put beside
ours on seeded noise and on example images, each made ready as its side says. Only timm's code runs: of the checkpoint,
numbers and the arguments that `ratatouille.weights.compatibility` knows are taken, and nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from PIL import Image
from timm.data.transforms_factory import create_transform
from torch import Tensor, nn

from ratatouille.errors import Refusal
from ratatouille.tasks.emoji.drawing import drawers, framed
from ratatouille.training.export import TOLERANCE, arguments
from ratatouille.training.loaded import Preparation
from ratatouille.training.network import build, refuse_not_finite
from ratatouille.weights.compatibility import TRAINING_ONLY
from ratatouille.weights.configuration import Configuration
from ratatouille.weights.whole import Whole

INPUT_TOLERANCE = 5e-2
"""Largest difference of normalised inputs, where means and deviations may be rounded otherwise (`compatibility.CLOSE`):
about three steps of an 8-bit image.
"""
IMAGE_TOLERANCE = 5e-2
"""As `TOLERANCE`, for such inputs."""
EXAMPLES = (0x1F600, 0x1F408, 0x1F33B, 0x1F697)
"""A face, a cat, a flower, a car."""


def is_known(name: str) -> bool:
    """Whether this timm has a network of that name, with or without a tag."""
    return bool(timm.is_model(name.partition(".")[0]))


def refuse_disagreement(whole: Whole, said: Configuration, size: int) -> int:
    """Compare both networks; returns on how many example images, beside noise.

    Args:
        whole: the checkpoint, under the network's own names.
        said: what its config.json says, already compared with the architecture.
        size: pixels of a side.

    Raises:
        Refusal: when timm cannot build the checkpoint's network, its tensors do not fit, weights are not finite, or the
            answers differ.
    """
    architecture = whole.architecture
    refuse_not_finite(whole.container, f"'{whole.container.path.name}'")
    ours: nn.Module = build(architecture, max(whole.classes, 1), image_size=size).load("featurizer", whole.container)
    if whole.classifier is None:
        ours = ours.get_submodule("featurizer")
    else:
        ours.load("head", whole.head())  # type: ignore[operator]
    theirs = _their_network(whole, said)
    noise = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    _compare(ours, noise, theirs, noise, TOLERANCE, "noise")
    examples = example_images() if said.images is not None else []
    if examples and said.images is not None:
        prepare, transform = Preparation(architecture, size), _their_transform(said.images)
        wanted = torch.stack([prepare(image) for image in examples])
        found = torch.stack([transform(image) for image in examples])
        if wanted.shape != found.shape or not (wanted - found).abs().max() <= INPUT_TOLERANCE:
            raise Refusal(
                "the checkpoint's configuration makes another input of example images than the federation; train from "
                "a folder that `ratatouille pull` wrote"
            )
        _compare(ours, wanted, theirs, found, IMAGE_TOLERANCE, "example images")
    return len(examples)


def example_images() -> list[Image.Image]:
    """Wide RGB pictures from a package of emojis; none where it is not installed."""
    try:
        draw = drawers({"twemoji": None})["twemoji"]
    except Refusal:
        return []
    pictures = [framed(draw(point), 144) for point in EXAMPLES]
    return [picture.crop((0, 24, 144, 120)) for picture in pictures if picture is not None]


def _their_network(whole: Whole, said: Configuration) -> nn.Module:
    """timm's network as the checkpoint describes it, with its tensors."""
    architecture = whole.architecture
    passed: dict[str, Any] = arguments(architecture)
    if said.arguments is not None:
        stated = {key: value for key, value in said.arguments.items() if value is not None}
        size = {key: value for key, value in passed.items() if key == "img_size"}
        passed = size | {key: value for key, value in stated.items() if key not in TRAINING_ONLY | {"num_classes"}}
    name = architecture.name.partition(".")[0]
    try:
        with torch.random.fork_rng(devices=()):  # drawing initial weights must not change the caller's random state
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=whole.classes, **passed)
        network.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in whole.container.items()})
    except Exception as error:  # timm's networks fail on unsuitable arguments in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise Refusal(
            f"timm {timm.__version__} cannot build the checkpoint's network {name} with its weights: {reason[:200]}"
        ) from error
    return network.to(memory_format=torch.channels_last)


def _their_transform(images: Any) -> Any:
    """timm's transform for evaluation, as a configuration describes it."""
    size = tuple(images["input_size"])
    values = {key: images[key] for key in ("interpolation", "mean", "std", "crop_pct", "crop_mode")}
    return create_transform(size, is_training=False, **values)


def _compare(ours: nn.Module, wanted: Tensor, theirs: nn.Module, found: Tensor, tolerance: float, what: str) -> None:
    with torch.no_grad():
        first = ours.eval()(wanted.to(memory_format=torch.channels_last))
        second = theirs.eval()(found.to(memory_format=torch.channels_last))
    if first.shape != second.shape or not (first - second).abs().max() <= tolerance * first.abs().max():
        raise Refusal(
            f"timm's network of the checkpoint answers otherwise than the federation's on {what}, so averages with it "
            "would mean nothing; train from a folder that `ratatouille pull` wrote"
        )
