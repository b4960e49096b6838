"""Weights in and out: files by digest, pushed with a signed receipt and fetched again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Sealed
from registry.blobs.disk import open_to_send
from registry.blobs.store import BLOCK, Block, damaged, missing
from registry.records import Result
from registry.services.method import Service, method

if TYPE_CHECKING:
    from registry.contributions.publish import Publisher
    from registry.contributions.push import Push
    from registry.storage import Storage

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


class Weights(Service):
    """Files of weights."""

    def __init__(self, storage: Storage, publisher: Publisher) -> None:
        super().__init__(storage)
        self._publisher = publisher

    @method("reader", stream=True)
    def fetch(self, digest: str, progress: Progress | None = None) -> Path:
        """A local file with these weights, its digest checked. It is read-only and may be memory-mapped."""
        self._known(digest)
        return self._storage.blobs.local(digest, progress)

    @method("contributor", stream=True)
    def push(self, sealed: Sealed, files: Mapping[str, Path], progress: Progress | None = None) -> Result:
        """Commit a signed receipt with the files (by digest) of the weights it made. The return is the acknowledgement.

        The registry checks signature, lease, task, architecture, names, shapes, finiteness, frozen buffers and digests,
        and writes blobs first, rows last. Pushing again what is known returns the first result.
        """
        begun = self._publisher.begin(sealed)
        if isinstance(begun, Result):
            return begun
        with begun:
            total = sum(one.size for one in begun.wanted.values())
            done = total - sum(begun.wanted[digest].size - each.received for digest, each in begun.receiving.items())
            for digest in list(begun.receiving):
                for length in _copy(begun, digest, files):
                    done += length
                    if progress is not None:
                        progress(done, total)
            return begun.commit()

    @method("reader", local=True)
    def stream(self, digest: str, offset: int) -> tuple[int, Generator[Block, None, None]]:
        """The length of these weights and their bytes from an offset on; the receiving side checks the digest."""
        blobs = self._storage.blobs
        promised, size = self._known(digest), blobs.store.size(digest)
        if size is None:
            raise missing(digest)
        if size != promised:
            raise damaged(digest, f"are {size} instead of {promised}")
        return size, blobs.stream(digest, min(offset, size))

    def _known(self, digest: str) -> int:
        """The length of weights that belong to a version and are here."""
        from registry.ledger.claims import live, refuse_removed

        with self._read() as connection:
            refuse_removed(connection, [digest])
            found = live(connection, [digest])
        if digest not in found:
            raise Refusal(f"weights {digest[:12]}… are not known here")
        return found[digest]


def _copy(push: Push, digest: str, files: Mapping[str, Path]) -> Iterator[int]:
    """Pass the missing bytes of one file through the checks of a push; yields the lengths that went."""
    with open_to_send(digest, files, push.receiving[digest].received) as file:
        while block := file.read(BLOCK):
            push.write(digest, block)
            yield len(block)
