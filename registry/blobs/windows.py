"""Files that are elsewhere, read once from beginning to end: a few windows of each in memory, hashed as they come.

`ratatouille.weights.combine` averages through this what neither lies in a folder nor in the cache. Memory stays the
same for any number of files of any size, down to the smallest window; nothing is written to the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import Array
from registry.blobs.store import BlobStore, Block, damaged, missing

BUDGET = 96 * 2**20
"""Bytes for all windows, and for what an average takes from them."""
SMALLEST, LARGEST = 64 * 2**10, 4 * 2**20
SHARES = 8
"""Windows' worth of bytes of each file in memory: one in use, one that comes, and pieces that are being averaged."""
READERS = 8


class Windowed:
    """`ratatouille.weights.canonical.Contents` of one blob."""

    def __init__(self, store: BlobStore, digest: str, size: int, window: int, pool: ThreadPoolExecutor) -> None:
        self.size = size
        self.window = window
        self._store = store
        self._digest = digest
        self._pool = pool
        self._sha = hashlib.sha256()
        self._read = 0
        self._left = memoryview(b"")
        self._next = pool.submit(self._load)

    def take(self, length: int) -> Array:
        """The next bytes.

        Raises:
            Lost: at the latest with the last ones, if these bytes do not hash to the digest.
        """
        taken = np.empty(length, np.uint8)
        done = 0
        while done < length:
            if not self._left:
                self._left = memoryview(self._next.result())
                if self._read < self.size:
                    self._next = self._pool.submit(self._load)
            part = self._left[: length - done]
            taken[done : done + len(part)] = part
            self._left = self._left[len(part) :]
            done += len(part)
        return taken

    def drain(self) -> None:
        """Read to the end.

        Raises:
            Lost: if these bytes do not hash to the digest.
        """
        self._next.result()
        while self._read < self.size:
            self._load()

    def _load(self) -> Block:
        block = self._store.read(self._digest, self._read, min(self.window, self.size - self._read))
        if not block:
            raise damaged(self._digest, f"end after {self._read}")
        self._sha.update(block)
        self._read += len(block)
        if self._read >= self.size and self._sha.hexdigest() != self._digest:
            raise damaged(self._digest, f"hash to {self._sha.hexdigest()[:12]}…")
        return block


@contextmanager
def windows(store: BlobStore, digests: Collection[str]) -> Iterator[Mapping[str, Windowed]]:
    """Begin to read blobs.

    Raises:
        Lost: for one that is missing.
    """
    window = BUDGET // (SHARES * max(1, len(digests))) // SMALLEST * SMALLEST
    window = min(LARGEST, max(SMALLEST, window))
    with ThreadPoolExecutor(READERS, thread_name_prefix="windows") as pool:
        try:
            opened = {}
            for digest, size in zip(digests, pool.map(store.size, digests), strict=True):
                if size is None:
                    raise missing(digest)
                opened[digest] = Windowed(store, digest, size, window, pool)
            try:
                yield opened
            except Refusal:  # before the contributor is blamed: are these the weights that were stored?
                for one in opened.values():
                    one.drain()
                raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
