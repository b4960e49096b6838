"""The content of backups and bundles: records as lines of JSON, weights with their progress, and claims on weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from registry.ledger.claims import Claims
from registry.services.weights import Progress
from registry.storage import Storage

SOFTWARE = f"ratatouille {version('model-ratatouille')}"
"""The software that a manifest names as its maker."""


@dataclass(frozen=True)
class WrittenLines:
    """A file of records that was written."""

    sha256: str
    size: int
    lines: int


def write_lines(path: Path, lines: Iterable[bytes]) -> WrittenLines:
    """Write canonical JSON, one record a line, to the disk."""
    sha, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for line in lines:
            ended = line + b"\n"
            sha.update(ended)
            file.write(ended)
            count += 1
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return WrittenLines(sha.hexdigest(), size, count)


def by_digest(sizes: Mapping[str, int], progress: Progress | None) -> Iterator[str]:
    """The digests of weights in their order; each counts as done when the next one is asked for."""
    done, total = 0, sum(sizes.values())
    for digest in sorted(sizes):
        yield digest
        done += sizes[digest]
        if progress is not None:
            progress(done, total)


@contextmanager
def claiming(storage: Storage, claimant: str) -> Iterator[Claims]:
    """Claims of one backup or import; they end with the block."""
    claims = Claims(storage.blobs.inbox, claimant)
    try:
        yield claims
    finally:
        with storage.database.write() as connection:
            claims.release(connection)
