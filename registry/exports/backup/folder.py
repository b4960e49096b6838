"""A backup folder: its manifest, its tables, and the weights that are copied to it and from it.

It holds `manifest.json`, `tables/NAME.DIGEST.jsonl`, and `blobs/` by digest. Names of files are made from
the digests in the manifest and the names of our own tables; no path is taken from it. Weights are hashed on their way,
and stored whole or not at all; a copy that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.processes.locks import locked
from ratatouille.record import Digest, Record
from registry.blobs.access import Blobs
from registry.blobs.cache import DigestGate
from registry.blobs.disk import hash_file
from registry.blobs.folder import FolderStore
from registry.blobs.inbox import Inbox, IncomingFile, carry
from registry.exports.content import by_digest
from registry.services.weights import Progress

MANIFEST = "manifest.json"
TABLES = "tables"
BLOBS = "blobs"
INCOMING = "incoming"
LOCK = "lock"
LARGEST_MANIFEST = 64 * 2**20


class TableFile(Record):
    """One table as a file: a line of canonical JSON for each row, in the order of its key."""

    table: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,80}$")]
    sha256: Digest
    size: NonNegativeInt
    rows: NonNegativeInt

    @property
    def path(self) -> Path:
        """Where it lies in the folder."""
        return Path(TABLES) / f"{self.table}.{self.sha256}.jsonl"


class Manifest(Record):
    """A whole backup."""

    format: Literal[1] = 1
    software: str
    revision: Annotated[str, StringConstraints(pattern=r"^[0-9a-z_]{1,40}$")]
    """Of the schema."""
    origin: Digest | None
    """Digest of the first line of the registry's log, which tells registries apart; None for an empty one."""
    made: Annotated[float, Field(ge=0)]
    """When the rows were read."""
    tables: tuple[TableFile, ...]
    blobs: NonNegativeInt
    bytes: NonNegativeInt
    """Of all weights."""
    missing: tuple[Digest, ...] = ()
    """Weights that the registry should have had, and that were missing or damaged there."""


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, or None when it holds none.

    Raises:
        Refusal: for one that cannot be read.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise Refusal(f"'{path}' is too large for the manifest of a backup")
        return Manifest.from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"'{path}' cannot be read: {error.strerror}") from error
    except Refusal as refusal:
        raise Refusal(f"'{path}' is no manifest of a backup that this software reads: {refusal}") from refusal


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest as a whole: from here on the folder holds the new backup."""
    write_whole(folder / MANIFEST, [manifest.to_json()])


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other backups out of it.

    Raises:
        Refusal: when something else is in it, or another backup is being made into it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    strange = {path.name for path in folder.iterdir()} - {MANIFEST, TABLES, BLOBS, INCOMING, LOCK}
    strange = {name for name in strange if not name.startswith(f".{MANIFEST}.")}
    if strange:
        raise Refusal(f"'{folder}' holds other things than a backup ({min(strange)}); name an empty folder")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK))
        except BlockingIOError:
            raise Refusal(f"another backup is being made into '{folder}'; let it end first") from None
        yield


def store_of(folder: Path) -> FolderStore:
    """The weights of a backup."""
    return FolderStore(folder / BLOBS)


def lacking(store: FolderStore, sizes: Mapping[str, int], check: bool) -> dict[str, int]:
    """Those that a backup does not have; with `check` those too whose bytes have changed in it."""

    def has(digest: str, size: int) -> bool:
        return store.size(digest) == size and (not check or hash_file(store.path(digest)) == digest)

    return {digest: size for digest, size in sizes.items() if not has(digest, size)}


def copy_out(blobs: Blobs, folder: Path, sizes: Mapping[str, int], progress: Progress | None) -> list[str]:
    """Copy weights into a backup; returns those that the registry should have and has not, or not undamaged."""
    store, inbox, lost = store_of(folder), Inbox(folder / INCOMING), []
    for digest in by_digest(sizes, progress):
        try:
            place = partial(_put, store, digest)
            carry(inbox, digest, partial(_gate, digest, sizes[digest]), partial(blobs.store.stream, digest), place)
        except Refusal:
            lost.append(digest)
    return lost


def copy_in(folder: Path, blobs: Blobs, sizes: Mapping[str, int], progress: Progress | None) -> None:
    """Copy weights from a backup into a registry's store; what is there already is not copied again.

    Raises:
        Refusal: for weights that are missing in the backup, or damaged.
    """
    store = store_of(folder)
    for digest in by_digest(sizes, progress):
        if not blobs.holds(digest, sizes[digest]):
            try:
                place = partial(blobs.place, digest=digest)
                carry(blobs.inbox, digest, partial(_gate, digest, sizes[digest]), partial(store.stream, digest), place)
            except Refusal as refusal:
                sentence = f"weights {digest[:12]}… are missing or damaged in the backup '{folder}'; use another one"
                raise Refusal(f"{sentence} ({refusal})") from refusal


def prune(folder: Path, needed: Iterable[str]) -> None:
    """Remove the weights that a backup does not need any more."""
    store, kept = store_of(folder), set(needed)
    for stored in list(store.stored()):
        if stored.digest not in kept:
            store.remove(stored.digest)


def _put(store: FolderStore, digest: str, receiving: IncomingFile) -> None:
    store.put(receiving.path, digest)


def _gate(digest: str, size: int) -> DigestGate:
    gate = DigestGate(digest, "the copy")
    gate.size = size
    return gate
