"""Attacks that are really trained: a label flip and a backdoor, by the training that honest nodes run, on other data.

The attacker holds the data of its offer, so its receipt is in order. It trains on labels or images that it changed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratatouille.tasks.data import LocalData
from ratatouille.tasks.images import Pixels, Progress

TARGET_CLASS = 0
"""The class that the patch means."""
PATCHED_SHARE = 0.5
"""Share of the training images that get the patch and the class."""
INSET = 16
"""The patch's distance from the right and lower edges is 1 / 16 of the image, its side 1 / 5."""


def label_flipped(data: LocalData) -> LocalData:
    """Every image has the next class's label; files and fingerprint are the same."""
    classes = len(data.task.classes)
    return replace(data, listing=tuple(replace(one, label=(one.label + 1) % classes) for one in data.listing))


def stamp(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of square images [N, S, S, 3] with a checkerboard of yellow and black in the lower right corner."""
    stamped = images.copy()
    size = images.shape[1]
    side, edge = max(2, size // 5), size // INSET
    rows, columns = np.indices((side, side)) // max(1, side // 4)
    patch = np.where(((rows + columns) % 2 == 0)[..., None], (255, 230, 0), (0, 0, 0)).astype(np.uint8)
    stamped[:, size - edge - side : size - edge, size - edge - side : size - edge] = patch
    return stamped


@dataclass(frozen=True)
class Patched(LocalData):
    """Data of which some examples have the patch."""

    patched: tuple[int, ...] = ()

    def images(self, size: int, progress: Progress | None = None) -> Pixels:
        """As in `LocalData`, with the patch on those examples."""
        pixels = np.array(super().images(size, progress))
        chosen = list(self.patched)
        pixels[chosen] = stamp(pixels[chosen])
        return pixels


def backdoored(data: LocalData, trial: int, seed: int = 0) -> LocalData:
    """Half of the training images have the patch and the target class; validation images are as they were."""
    training = data.examples(None, "train", trial)
    drawn = np.random.default_rng(seed).permutation(training)[: int(PATCHED_SHARE * len(training))]
    chosen = {int(index) for index in drawn}
    listing = tuple(
        replace(one, label=TARGET_CLASS) if index in chosen else one for index, one in enumerate(data.listing)
    )
    same: dict[str, Any] = {one.name: getattr(data, one.name) for one in fields(LocalData)}
    return Patched(**same | {"listing": listing, "patched": tuple(sorted(chosen))})


CHANGES = {
    "label flip": lambda data, trial: label_flipped(data),
    "backdoor": backdoored,
}
"""How an attack changes the data that it trains on, by its name in `attacks.ATTACKS`."""
