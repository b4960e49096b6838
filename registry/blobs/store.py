"""The port of complete weights: immutable blobs, each named by the SHA-256 of its bytes.

A blob appears at once or not at all, and is on the disk (or acknowledged by the object store) when `put` returns. Bytes
that were stored may rot or be exchanged: no method promises that they still hash to their name, readers check that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ratatouille.errors import Refusal

Block = bytes | memoryview
"""Some bytes of a blob."""
BLOCK = 2**20
"""Bytes that are read or written at once."""
REMEDY = "its maintainers can bring them back from a backup"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stored:
    """One blob of a listing."""

    digest: str
    size: int
    modified: float
    """Seconds since 1970, by the store's clock."""


class BlobStore(Protocol):
    """A store of complete weights. Each method may be called from several threads, and several processes share a store.

    Methods raise `Unreachable` when the store does not answer, and Refusal for a name that is no digest.
    """

    name: str
    """How people know it: a folder, or a URL (which holds no secrets)."""

    def put(self, source: Path, digest: str) -> None:
        """Store a file whose bytes hash to `digest`, unless it is here; durable when this returns.

        The file may be moved away or stay. What is here already stays if its bytes are right, and is replaced if not.
        """

    def size(self, digest: str) -> int | None:
        """Length of a blob, or None when it is not here."""

    def read(self, digest: str, offset: int, length: int) -> Block:
        """Some bytes of a blob, fewer where it ends.

        Raises:
            Lost: when it is not here.
        """

    def stream(self, digest: str, offset: int = 0) -> Generator[Block, None, None]:
        """The bytes from `offset` to the end, in blocks.

        Raises:
            Lost: when it is not here.
        """

    def path(self, digest: str) -> Path | None:
        """A local path to memory-map, where this store has such a thing; whether a file is there is not looked at."""

    def remove(self, digest: str) -> None:
        """Remove a blob, if it is here; a concurrent reader may fail.

        `registry.ledger.claims` says when this is safe.
        """

    def stored(self) -> Iterator[Stored]:
        """All blobs, in no order."""

    def check(self) -> None:
        """Check whether the store can be used.

        Raises:
            Refusal: when what it was opened with is wrong: address, bucket, credentials.
        """


class Lost(Refusal):
    """Weights that the store should have, but they are missing or damaged: the fault of no caller."""


def missing(digest: str) -> Lost:
    """The refusal for a blob that is not there."""
    return Lost(f"weights {digest[:12]}… are missing in the registry's store; {REMEDY}")


def damaged(digest: str, found: str) -> Lost:
    """The refusal for a blob whose bytes are others; `found` says what they are: `hash to …`, `end after …`."""
    return Lost(f"weights {digest[:12]}… are damaged in the registry's store, its bytes {found}; {REMEDY}")


def hash_blob(store: BlobStore, digest: str) -> str:
    """What the stored bytes of a blob hash to."""
    sha = hashlib.sha256()
    for block in store.stream(digest):
        sha.update(block)
    return sha.hexdigest()


def is_digest(name: str) -> bool:
    """Whether a name is the hexadecimal SHA-256 of something."""
    return _DIGEST.fullmatch(name) is not None


def shelf(digest: str) -> str:
    """Where a blob lies below the root of any store: `ab/abcdef…`.

    Raises:
        Refusal: for a name that is no digest, before it becomes part of any path.
    """
    if not is_digest(digest):
        raise Refusal(f"{digest[:80]!r} is no digest of weights; those are 64 characters of 0-9 and a-f")
    return f"{digest[:2]}/{digest}"
