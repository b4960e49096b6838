"""Weights between a registry and a backup folder: hashed on their way, and stored whole or not at all.

A copy that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from pathlib import Path

from ratatouille.errors import Refusal
from registry.blobs.access import Blobs
from registry.blobs.cache import DigestGate
from registry.blobs.disk import hash_file
from registry.blobs.folder import FolderStore
from registry.blobs.inbox import Inbox, IncomingFile, carry
from registry.exports.backup.manifest import BLOBS, INCOMING

Copied = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""


def store_of(folder: Path) -> FolderStore:
    """The weights of a backup."""
    return FolderStore(folder / BLOBS)


def lacking(store: FolderStore, sizes: Mapping[str, int], check: bool) -> dict[str, int]:
    """Those that a backup does not have; with `check` those too whose bytes have changed in it."""
    return {digest: size for digest, size in sizes.items() if not _has(store, digest, size, check)}


def copy_out(blobs: Blobs, folder: Path, sizes: Mapping[str, int], said: Copied) -> list[str]:
    """Copy weights into a backup; returns those that the registry should have and has not, or not undamaged."""
    store, inbox, lost = store_of(folder), Inbox(folder / INCOMING), []
    for digest in _counting(sizes, said):
        try:
            gate, stream = partial(_gate, digest, sizes[digest]), partial(blobs.store.stream, digest)
            carry(inbox, digest, gate, stream, partial(_put, store, digest))
        except Refusal:
            lost.append(digest)
    return lost


def copy_in(folder: Path, blobs: Blobs, sizes: Mapping[str, int], said: Copied) -> None:
    """Copy weights from a backup into a registry's store; what is there already is not copied again.

    Raises:
        Refusal: for weights that are missing in the backup, or damaged.
    """
    store = store_of(folder)
    for digest in _counting(sizes, said):
        if not blobs.holds(digest, sizes[digest]):
            try:
                gate, stream = partial(_gate, digest, sizes[digest]), partial(store.stream, digest)
                carry(blobs.inbox, digest, gate, stream, partial(_place, blobs, digest))
            except Refusal as refusal:
                sentence = f"weights {digest[:12]}… are missing or damaged in the backup '{folder}'; use another one"
                raise Refusal(f"{sentence} ({refusal})") from refusal


def prune(folder: Path, needed: Iterable[str]) -> None:
    """Remove the weights that a backup does not need any more."""
    store, kept = store_of(folder), set(needed)
    for stored in list(store.stored()):
        if stored.digest not in kept:
            store.remove(stored.digest)


def _has(store: FolderStore, digest: str, size: int, check: bool) -> bool:
    return store.size(digest) == size and (not check or hash_file(store.path(digest)) == digest)


def _counting(sizes: Mapping[str, int], said: Copied) -> Generator[str, None, None]:
    done, total = 0, sum(sizes.values())
    for digest in sorted(sizes):
        yield digest
        done += sizes[digest]
        said(done, total)


def _put(store: FolderStore, digest: str, receiving: IncomingFile) -> None:
    store.put(receiving.path, digest)


def _place(blobs: Blobs, digest: str, receiving: IncomingFile) -> None:
    blobs.place(receiving, digest)


def _gate(digest: str, size: int) -> DigestGate:
    gate = DigestGate(digest, "the copy")
    gate.size = size
    return gate
