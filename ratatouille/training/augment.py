"""Images into network inputs: random changes for training, none for validation and tests; then normalisation.

Random resized crop, horizontal flip, colour jitter and grayscale, drawn for each image as torchvision's
`RandomResizedCrop`, `RandomHorizontalFlip`, `ColorJitter` and `RandomGrayscale` do (docs/method.md §2), but computed
for the whole batch at once and from an explicit generator. Images are squares already, squashed by `tasks.images`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ratatouille.exchange.assignment import Augmentation
from ratatouille.weights.architecture import Architecture

TRIES = 10
"""Boxes drawn for a crop until one lies inside the image; after that the whole image is taken, as torchvision does."""

GRAY = (0.2989, 0.587, 0.114)


class Transform:
    """uint8 [B, S, S, 3] → normalised float32 [B, 3, S, S] on a device."""

    def __init__(self, architecture: Architecture, device: torch.device) -> None:
        self._mean = torch.tensor(architecture.mean, device=device).view(3, 1, 1, 1)
        self._std = torch.tensor(architecture.std, device=device).view(3, 1, 1, 1)
        self._device = device

    def plain(self, images: NDArray[np.uint8]) -> Tensor:
        """Normalise only."""
        return self._normalise(self._planes(images))

    def random(self, images: NDArray[np.uint8], settings: Augmentation, generator: torch.Generator) -> Tensor:
        """Change every image at random, then normalise. All draws come from `generator`, on the CPU."""
        planes = self._planes(images)
        count = len(images)
        boxes = crop_boxes(count, settings.smallest_crop, generator)
        flipped = torch.rand(count, generator=generator) < settings.flip
        planes = crop(planes, boxes.to(self._device), flipped.to(self._device))
        planes = jitter(planes, settings.jitter, generator)
        gray = (torch.rand(count, generator=generator) < settings.grayscale).nonzero().squeeze(1).to(self._device)
        if len(gray):
            planes[:, gray] = luminance(planes[:, gray])
        return self._normalise(planes)

    def _planes(self, images: NDArray[np.uint8]) -> Tensor:
        """[3, B, S, S] in 0..1: the colour jitter works on whole colour planes."""
        pixels = torch.from_numpy(np.require(images, requirements=["C", "W"])).to(self._device)
        return pixels.permute(3, 0, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)

    def _normalise(self, planes: Tensor) -> Tensor:
        return planes.sub_(self._mean).div_(self._std).transpose(0, 1).contiguous(memory_format=torch.channels_last)


def crop_boxes(count: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Boxes [count, 4] as (left, top, width, height) in shares of the image.

    The area is uniform in [smallest, 1], the aspect log-uniform in [3/4, 4/3], the place uniform.
    """
    area = torch.rand(count, TRIES, generator=generator) * (1 - smallest) + smallest
    aspect = torch.exp((torch.rand(count, TRIES, generator=generator) * 2 - 1) * math.log(4 / 3))
    width, height = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    fits = (width <= 1) & (height <= 1)
    first = fits.to(torch.uint8).argmax(1, keepdim=True)
    fitting = fits.any(1)
    width = torch.where(fitting, width.gather(1, first).squeeze(1), 1)
    height = torch.where(fitting, height.gather(1, first).squeeze(1), 1)
    place = torch.rand(2, count, generator=generator)
    return torch.stack([place[0] * (1 - width), place[1] * (1 - height), width, height], 1)


def crop(planes: Tensor, boxes: Tensor, flipped: Tensor) -> Tensor:
    """Cut boxes out of [3, B, S, S], mirror some, and stretch each to the full size with bilinear interpolation."""
    size = planes.shape[-1]
    across = _interpolation(boxes[:, 0], boxes[:, 2], size, flipped).transpose(1, 2)
    down = _interpolation(boxes[:, 1], boxes[:, 3], size, torch.zeros_like(flipped))
    # one product for each colour: a broadcast one would copy both matrices three times
    return torch.stack([torch.bmm(down, torch.bmm(plane, across)) for plane in planes])


def _interpolation(start: Tensor, length: Tensor, size: int, flipped: Tensor) -> Tensor:
    """Matrices [B, size, size] that resample one axis: row i holds the weights of the old pixels for new pixel i."""
    centres = (torch.arange(size, device=start.device) + 0.5) / size
    centres = torch.where(flipped[:, None], 1 - centres, centres)
    at = ((start[:, None] + centres * length[:, None]) * size - 0.5).clamp(0, size - 1)
    pixels = torch.arange(size, device=start.device)
    return (1 - (at[:, :, None] - pixels).abs_()).clamp_(min=0)


def luminance(planes: Tensor) -> Tensor:
    """Gray [B, S, S] of [3, B, S, S]."""
    return planes[0] * GRAY[0] + planes[1] * GRAY[1] + planes[2] * GRAY[2]


def jitter(planes: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast and saturation by factors in 1 ± strength, hue turned by ± strength, in an order of its own
    for each image. Hue is a share of the full circle, at most half of it.
    """
    count = planes.shape[1]
    draws = torch.rand(4, count, generator=generator) * 2 - 1
    order = torch.rand(count, 4, generator=generator).argsort(1)
    if strength == 0:
        return planes
    draws[:3] = 1 + draws[:3] * strength
    draws[3] *= min(strength, 0.5)
    for position in range(4):
        for number, change in enumerate(CHANGES):
            chosen = (order[:, position] == number).nonzero().squeeze(1)
            if len(chosen):
                amounts = draws[number, chosen].to(planes.device).view(-1, 1, 1)
                chosen = chosen.to(planes.device)
                # faster than planes[:, chosen], which walks through single pixels
                planes.index_copy_(1, chosen, change(planes.index_select(1, chosen), amounts))
    return planes


def brightness(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards black."""
    return (planes * factor).clamp_(0, 1)


def contrast(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards the mean gray of the image."""
    mean = luminance(planes).mean((1, 2), keepdim=True)
    return (planes * factor + mean * (1 - factor)).clamp_(0, 1)


def saturation(planes: Tensor, factor: Tensor) -> Tensor:
    """Towards gray."""
    return (planes * factor + luminance(planes) * (1 - factor)).clamp_(0, 1)


def hue(planes: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of the HSV cone by a share of the full circle; value and saturation stay."""
    red, green, blue = planes
    value = planes.amax(0)
    chroma = value - planes.amin(0)
    divisor = torch.where(chroma == 0, 1, chroma)
    at = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    at = at + turn * 6
    result = torch.empty_like(planes)
    for channel, offset in enumerate((5, 3, 1)):
        k = torch.remainder(at + offset, 6)
        result[channel] = value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)
    return result


CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (brightness, contrast, saturation, hue)
