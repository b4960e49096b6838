"""Access to a registry's weights: take them in, give them out, read them to average, hash them to verify.

With a store in a folder its own files are used where they lie. With one elsewhere a bounded cache keeps what came in
and what was fetched; what is read once only goes past it, in windows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.weights.canonical import Contents
from registry.blobs.cache import Cache
from registry.blobs.disk import HashedFiles, read_blocks
from registry.blobs.folder import FolderStore
from registry.blobs.inbox import Inbox, IncomingFile
from registry.blobs.opening import open_store
from registry.blobs.store import BlobStore, Block, Lost, damaged, hash_blob, missing
from registry.blobs.windows import windows


class Blobs:
    """The weights of one registry."""

    def __init__(self, folder: Path, url: str | None, cache_bytes: int) -> None:
        """Use (and make) what a registry's folder has for weights.

        Args:
            folder: the registry's; it always holds what is on its way in.
            url: where complete weights lie; None is in the folder.
            cache_bytes: how many of them are kept in the folder too, if they lie elsewhere.

        Raises:
            Refusal: for an address that cannot be used.
            OSError: for a folder that cannot.
        """
        self.inbox = Inbox(folder / "receiving")
        self.store: BlobStore = open_store(url) if url else FolderStore(folder / "blobs")
        self._cache = None if isinstance(self.store, FolderStore) else Cache(folder / "cache", cache_bytes)
        self._hashed = HashedFiles()

    def holds(self, digest: str, size: int) -> bool:
        """Whether the store has a blob of this length."""
        return self.store.size(digest) == size

    def place(self, receiving: IncomingFile, digest: str) -> None:
        """Store a file whose bytes were checked: when this returns they survive a power cut.

        It may take long: no lock on the database is held meanwhile.
        """
        self.store.put(receiving.path, digest)
        if self._cache is not None:
            self._cache.keep(receiving, digest, used=False)
            return
        receiving.discard()
        path = self.store.path(digest)
        if path is not None:
            self._hashed.trust(path, digest)

    def local(self, digest: str, progress: Callable[[int, int], None] | None = None) -> Path:
        """A file with the right bytes on this machine, read-only.

        Raises:
            Lost: when the store's are missing or others.
            Unreachable: when the store does not answer.
        """
        if self._cache is not None:
            try:
                return self._cache.fetch(digest, partial(self._arriving, digest), "the store for weights", progress)
            except Refusal as refusal:
                raise Lost(str(refusal)) from refusal
        path = self._checked_path(digest)
        if progress is not None:
            size = path.stat().st_size
            progress(size, size)
        return path

    def stream(self, digest: str, offset: int = 0) -> Generator[Block, None, None]:
        """Bytes from an offset to the end; a receiver of all of them hashes them."""
        cached = self._cache.get(digest) if self._cache is not None else None
        if cached is None:
            return self.store.stream(digest, offset)
        return read_blocks(cached, offset)

    @contextmanager
    def reading(self, digests: Collection[str], cached: bool = True) -> Iterator[Mapping[str, Path | Contents]]:
        """Several blobs to read once through: files that are here, windows onto the others.

        Args:
            digests: their names.
            cached: whether a copy of what is stored elsewhere will do.

        Raises:
            Lost: when bytes are missing or others; for what is not here, at its end.
        """
        wanted = sorted(set(digests))
        files = {digest: path for digest in wanted if (path := self._here(digest, cached)) is not None}
        with windows(self.store, [digest for digest in wanted if digest not in files]) as elsewhere:
            yield {**files, **elsewhere}

    def hash(self, digest: str) -> str:
        """What the stored bytes hash to; nothing that is remembered or cached of them counts."""
        return hash_blob(self.store, digest)

    def remove(self, digest: str) -> None:
        """Remove a blob; `registry.ledger.claims` says when this is safe."""
        self.store.remove(digest)
        if self._cache is not None:
            self._cache.remove(digest)

    def _here(self, digest: str, cached: bool) -> Path | None:
        if self._cache is None:
            return self._checked_path(digest)
        return self._cache.get(digest) if cached else None

    def _checked_path(self, digest: str) -> Path:
        path = self.store.path(digest)
        assert path is not None, "a store without paths has a cache"
        try:
            found = self._hashed.found(path, digest)
        except FileNotFoundError:
            raise missing(digest) from None
        if found != digest:
            raise damaged(digest, f"hash to {found[:12]}…")
        return path

    @contextmanager
    def _arriving(self, digest: str, offset: int) -> Iterator[tuple[int, Iterator[Block]]]:
        size = self.store.size(digest)
        if size is None:
            raise missing(digest)
        with closing(self.store.stream(digest, offset)) as blocks:
            yield size, blocks
