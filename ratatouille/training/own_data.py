"""Counting how versions classify images of one's own: with a version's own head, or with one that is probed here.

A featurizer is run once on each image, and its features are kept in a folder; heads are then a product of matrices. A
probed head is fitted on the training side of the split and counted on the rest. Nothing is signed, nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.receipt import Evaluation
from ratatouille.recipes.protocol import DOMAINBED
from ratatouille.tasks.own import OwnData
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.task import SPLITS, Split
from ratatouille.training import numerics, probe
from ratatouille.training.augment import Transform
from ratatouille.training.evaluate import confusion_among
from ratatouille.training.network import build, refuse_not_finite
from ratatouille.weights.architecture import Architecture
from ratatouille.weights.canonical import Array, open_part

Part = Split | Literal["all", "rest"]
"""Which images are counted; `rest` are those that do not train."""

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Head = Mapping[str, Array]


@dataclass(frozen=True)
class Featurizer:
    """The weights that look at images: their record, their digest, the file, and pixels of a side."""

    architecture: Architecture
    digest: str
    path: Path
    image_size: int


@dataclass(frozen=True)
class Tally:
    """What one head got right: a matrix for each domain that has images, and an answer for each image, by its file."""

    domains: Mapping[str, Evaluation]
    answers: Mapping[str, tuple[int, bool]]
    """True class, and whether it was recognised."""
    fitted: int = 0
    """Images that the head was fitted on."""


def features(
    featurizer: Featurizer,
    own: OwnData,
    cache: Path,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Floats:
    """Features [N, d] of all images; computed once for a folder `cache`, which may be deleted at any time.

    Raises:
        Refusal: an image that changed, weights that cannot be used, a device that is not here.
    """
    numerics.apply()
    on = numerics.device(device)
    software, device_name = numerics.describe(on)
    network = build(featurizer.architecture, 2, image_size=featurizer.image_size)
    arrays = open_part(featurizer.path, featurizer.architecture.part("featurizer", 2))
    refuse_not_finite(arrays, "the featurizer")
    network.load("featurizer", arrays).to(on).eval()
    computing = (device_name, *(f"{name} {version}" for name, version in sorted(software.items())))
    stored = probe.Features(
        network.featurizer,
        own.data,
        featurizer.image_size,
        Transform(featurizer.architecture, on),
        cache,
        (featurizer.architecture.digest, featurizer.digest, *computing),
    )
    total = len(own.data)
    result = np.empty((total, featurizer.architecture.width), np.float32)
    before = 0

    def report(done: int, _: int) -> None:
        if progress is not None:
            progress(before + done, total)

    for domain in own.data.task.domains:
        chosen = own.data.examples(domain)
        if len(chosen):
            result[chosen] = stored.of_domain(domain, report)
            before += len(chosen)
    return result


def own_head(architecture: Architecture, classes: int, path: Path) -> Head:
    """A version's head from its file.

    Raises:
        Refusal: weights that are not finite.
    """
    head = open_part(path, architecture.part("head", classes))
    refuse_not_finite(head, "the head")
    return head


def probed_head(own: OwnData, seen: Floats, l2: float) -> tuple[Head, int]:
    """The optimal head on frozen features of the training side (decision 5), and how many images that side has.

    Domains have equal shares in the loss; `l2` is the strength of its regularisation.

    Raises:
        Refusal: for a class that has no image on that side, or when nothing is left to count.
    """
    data = own.data
    chosen = data.examples(split="train")
    counts = np.bincount(data.labels[chosen], minlength=len(data.task.classes))
    missing = [name for name, count in zip(data.task.classes, counts, strict=True) if not count]
    if missing:
        raise Refusal(
            f"there are not enough images to probe a head: the split leaves none of {listed(missing)} to fit it on; "
            f"add some, or leave the class out with --map '{missing[0]}=-'"
        )
    if len(chosen) == len(data):
        raise Refusal(
            f"there are not enough images to probe a head: all {len(data)} are on the training side of the split, so "
            "none is left to count; add some"
        )
    each = [data.examples(domain, "train") for domain in data.task.domains]
    training = [part for part in each if len(part)]
    order = np.concatenate(training)
    head, _ = probe.fit(
        seen[order],
        data.labels[order],
        probe.shares(data, training, None),
        len(data.task.classes),
        l2,
        DOMAINBED.probe_iterations,
    )
    return head, len(chosen)


def tally(own: OwnData, seen: Floats, head: Head, part: Part, fitted: int = 0) -> Tally:
    """Count one head on some images.

    Args:
        own: the images.
        seen: their features [N, d].
        head: `weight` [classes, d] and `bias` [classes], of the classes of the data's task.
        part: which images.
        fitted: how many images the head was fitted on, to be kept with the counts.

    Raises:
        Refusal: when there is no such image.
    """
    data = own.data
    chosen = _chosen(own, part)
    if not len(chosen):
        raise Refusal(f"no image is on side '{part}' of the split; count others with --split")
    predicted = (seen[chosen] @ head["weight"].T + head["bias"]).argmax(1)
    labels = data.labels[chosen]
    classes = len(data.task.classes)
    domains = {}
    for domain in data.task.domains:
        inside = np.isin(chosen, data.examples(domain))
        if inside.any():
            confusion = confusion_among(labels[inside], predicted[inside], classes)
            domains[domain] = Evaluation(cell=Cell(domain=domain, split="all"), confusion=confusion)
    answers = {
        own.paths[index]: (int(label), bool(label == guess))
        for index, label, guess in zip(chosen.tolist(), labels.tolist(), predicted.tolist(), strict=True)
    }
    return Tally(domains, answers, fitted)


def _chosen(own: OwnData, part: Part) -> Indices:
    if part == "all":
        return own.data.examples()
    sides = [side for side in SPLITS if side != "train"] if part == "rest" else [part]
    return np.sort(np.concatenate([own.data.examples(split=side) for side in sides]))
