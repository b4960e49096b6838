"""A version ready to be used: timm's network with its weights, images made as nodes make them, and names of classes.

`ratatouille.load` returns it. It does not depend on where the weights come from, a registry or a pulled folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ratatouille.errors import Refusal
from ratatouille.exchange.version import Version
from ratatouille.tasks.images import UnreadableError, decode, from_image, quiet
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import CHUNK
from ratatouille.training.export import export
from ratatouille.training.network import refuse_not_finite
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array

Picture = Image.Image | Path | str
"""An opened image, or its file."""


@dataclass(frozen=True)
class Prediction:
    """The class that an image looks most like, and the shares of all, in the order of `Loaded.classes`."""

    name: str
    share: float
    shares: tuple[float, ...]


class Preparation:
    """An image → normalised float32 [3, S, S], as nodes make it before they count: turned as its EXIF orientation says,
    transparency on white, squashed to a square, normalised.
    """

    def __init__(self, architecture: Architecture, size: int) -> None:
        self.size = size
        self._transform = Transform(architecture, torch.device("cpu"))

    def __call__(self, image: Picture) -> Tensor:
        """The network's input.

        Raises:
            Refusal: for a file that is no usable image.
        """
        try:
            with quiet():
                if isinstance(image, Image.Image):
                    pixels = from_image(image, self.size)
                else:
                    pixels = decode(Path(image).read_bytes(), self.size)
        except OSError as error:
            raise Refusal(f"the image '{image}' cannot be read: {error.strerror}") from error
        except UnreadableError as problem:
            raise Refusal(f"the image {image!s:.200} cannot be used: {problem}") from problem
        return self._transform.plain(pixels[None])[0]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A version ready to be used."""

    model: nn.Module
    """timm's network on the CPU, in eval mode; without a head it gives features [B, d]."""
    transform: Preparation
    classes: tuple[str, ...]
    """Names of the outputs; empty for a featurizer alone."""
    version: Version

    def logits(self, images: Iterable[Picture]) -> Tensor:
        """The network's outputs [N, classes] for images or image files, on the CPU.

        Raises:
            Refusal: for a file that is no usable image.
        """
        device = next(self.model.parameters()).device
        chosen = list(images)
        outputs = [torch.empty(0, len(self.classes))]
        with torch.no_grad():
            for start in range(0, len(chosen), CHUNK):
                inputs = torch.stack([self.transform(image) for image in chosen[start : start + CHUNK]])
                outputs.append(self.model(inputs.to(device, memory_format=torch.channels_last)).cpu())
        return torch.cat(outputs[1:] or outputs)

    def predict(self, images: Picture | Iterable[Picture]) -> list[Prediction]:
        """What the network sees on one or several images or image files.

        Raises:
            Refusal: for a version without a head, or a file that is no usable image.
        """
        if not self.classes:
            raise Refusal(f"version {self.version.id[:10]} has no head: its model gives features, not classes")
        shares = self.logits([images] if isinstance(images, Picture) else images).softmax(1).numpy()
        return [Prediction(self.classes[int(row.argmax())], float(row.max()), tuple(map(float, row))) for row in shares]


def ready(
    version: Version,
    architecture: Architecture,
    image_size: int,
    classes: Sequence[str],
    featurizer: Mapping[str, Array],
    head: Mapping[str, Array] | None,
) -> Loaded:
    """A version with its weights in timm's network.

    Raises:
        Refusal: weights that are not finite; a network that this timm cannot build with a head.
    """
    for part in (featurizer, head or {}):
        refuse_not_finite(part, f"version {version.id[:10]}")
    exported = export(architecture, image_size, classes, featurizer, head)
    return Loaded(exported.network, Preparation(architecture, image_size), tuple(classes), version)
