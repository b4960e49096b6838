"""Near-duplicates between tasks: perceptual hashes of images, and how many of one collection another repeats.

A hash is 64 bits: the signs of an image's coarsest cosine coefficients about their median. Copies of a picture in
another size, format or brightness differ in a few bits, other pictures in about 32. Crops, flips and rotations are not
found. Only hashes leave a node. They are not secret: a person who has a picture can test whether a hash is of it.
A hash tells roughly where a picture is light and dark. The command chooses which hashes are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from ratatouille.errors import Refusal
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.images import Pixels, Progress
from ratatouille.tasks.sentences import listed

SIDE = 32
"""Pixels of a side to which images are resized before they are hashed."""
DISTANCE = 6
"""Two images are near-duplicates if at most so many bits of their hashes differ; docs/datasets.md says why."""
PAIRS = 1 << 21
"""How many pairs are compared at once: 16 MB of differences."""

Hashes = NDArray[np.uint64]


class Hashed(Record):
    """The hashes of one domain of a holding, sorted, so that their order tells nothing."""

    task: Name
    kind: Literal["auxiliary", "target"]
    domain: Name
    fingerprint: Digest
    hashes: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")], ...]


class HashFile(Record):
    """What leaves a node; `hash` names how the hashes are made."""

    hash: Literal["cosine-64 1"] = "cosine-64 1"
    data: tuple[Hashed, ...]


class Overlap(Record):
    """How much of a target's domain another task repeats: images of either that have a near-duplicate in the other."""

    target: Name
    domain: Name
    task: Name
    images: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=0)]
    task_images: Annotated[int, Field(ge=0)]
    task_of: Annotated[int, Field(ge=0)]


def hashes_of(pixels: Pixels) -> Hashes:
    """Perceptual hashes.

    Bit 8u + v, from the highest, is c[u, v] > median(c), with c the two-dimensional discrete cosine transform (DCT-II)
    of the luminance, 0 ≤ u, v < 8. The constant c[0, 0] is left out, so the first bit is 0. Coefficients are rounded,
    since those that are zero by symmetry must not be decided by noise.

    Args:
        pixels: uint8 [N, 32, 32, 3], RGB.

    Returns:
        uint64 [N].
    """
    waves = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5))  # [8, 32]
    hashes = np.empty(len(pixels), dtype=np.uint64)
    for start in range(0, len(pixels), 1024):
        block = pixels[start : start + 1024].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        coarse = np.round(waves @ block @ waves.T, 3).reshape(len(block), 64)[:, 1:]
        bits = coarse > np.median(coarse, axis=1, keepdims=True)
        packed = np.packbits(np.pad(bits, ((0, 0), (1, 0))), axis=1)
        hashes[start : start + 1024] = packed.view(">u8")[:, 0]
    return hashes


def near(first: Hashes, second: Hashes, distance: int = DISTANCE) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which hashes of each side have one on the other side that differs in at most `distance` bits.

    Compares all pairs, in blocks of bounded memory: bool [N] and bool [M] for uint64 [N] and uint64 [M].
    """
    left, left_of = np.unique(first, return_inverse=True)
    right, right_of = np.unique(second, return_inverse=True)
    found, repeated = np.zeros(len(left), dtype=bool), np.zeros(len(right), dtype=bool)
    rows = max(1, PAIRS // max(1, len(right)))
    for start in range(0, len(left), rows):
        close = np.bitwise_count(left[start : start + rows, None] ^ right[None, :]) <= distance
        found[start : start + rows] = close.any(axis=1)
        repeated |= close.any(axis=0)
    return found[left_of], repeated[right_of]


def hashed(data: LocalData, progress: Progress | None = None) -> list[Hashed]:
    """The hashes of local data, one entry for each domain that is held.

    Raises:
        Refusal: if an image changed or vanished since the data was opened.
    """
    hashes, domains = hashes_of(data.images(SIDE, progress)), np.array(data.domains)
    return [
        Hashed(
            task=data.task.name,
            kind=data.task.kind,
            domain=domain,
            fingerprint=data.holding.fingerprint,
            hashes=tuple(f"{value:016x}" for value in np.sort(hashes[domains == domain]).tolist()),
        )
        for domain in data.holding.domains
    ]


def read_hashes(path: Path) -> HashFile:
    """Read a file of hashes.

    Raises:
        Refusal: naming the file.
    """
    try:
        return HashFile.from_json(path.read_bytes())
    except OSError as error:
        raise Refusal(f"the hashes '{path}' cannot be read: {error.strerror}") from error
    except Refusal as refusal:
        raise Refusal(f"'{path}' is no file of hashes: {refusal}") from refusal


def overlaps(
    data: Sequence[Hashed], target: str | None = None, held_out: Sequence[str] = (), distance: int = DISTANCE
) -> list[Overlap]:
    """How much of each held-out domain of a target every other task repeats.

    Args:
        data: hashes of all nodes; replicas count once.
        target: the target's name, or None for every task that is one by its definition.
        held_out: its domains, or none for all, since each may be held out in turn.
        distance: the most bits by which near-duplicates differ.

    Raises:
        Refusal: if there is no such target or domain, or nothing to compare it with.
    """
    values: dict[str, dict[str, list[str]]] = {}
    for one in {(one.task, one.fingerprint, one.domain): one for one in data}.values():
        values.setdefault(one.task, {}).setdefault(one.domain, []).extend(one.hashes)
    kinds = {one.task: one.kind for one in data}
    targets = [target] if target is not None else sorted(name for name in values if kinds[name] == "target")
    if not targets or targets[0] not in values:
        wanted = f"the task '{target}'" if target is not None else "a target task"
        raise Refusal(f"no file has hashes of {wanted}; there are {listed(sorted(values))}, and --target chooses one")
    if len(values) < 2:
        raise Refusal(f"the files have hashes of '{targets[0]}' only; give those of other tasks too")
    for domain in held_out:
        if not any(domain in values[name] for name in targets):
            held = sorted({domain for name in targets for domain in values[name]})
            raise Refusal(f"no file has hashes of the domain '{domain}' of {listed(targets)}; there are {listed(held)}")
    arrays = {name: {domain: _parsed(hashes) for domain, hashes in domains.items()} for name, domains in values.items()}
    return [
        _overlap(name, domain, other, arrays[name][domain], np.concatenate(list(arrays[other].values())), distance)
        for name in targets
        for domain in sorted(arrays[name])
        if not held_out or domain in held_out
        for other in sorted(arrays)
        if other != name
    ]


def _overlap(target: str, domain: str, task: str, first: Hashes, second: Hashes, distance: int) -> Overlap:
    found, repeated = near(first, second, distance)
    return Overlap(
        target=target,
        domain=domain,
        task=task,
        images=int(found.sum()),
        of=len(found),
        task_images=int(repeated.sum()),
        task_of=len(repeated),
    )


def _parsed(hashes: Sequence[str]) -> Hashes:
    return np.array([int(value, 16) for value in hashes], dtype=np.uint64)
