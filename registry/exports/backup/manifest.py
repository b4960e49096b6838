"""The manifest of a backup folder, which holds `manifest.json`, `tables/NAME.DIGEST.jsonl`, and `blobs/` by digest.

Names of files are made from the manifest's digests and the names of our own tables, never taken from it as paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, StringConstraints

from ratatouille.errors import Refusal
from ratatouille.folders import write_whole
from ratatouille.processes.locks import locked
from ratatouille.record import Digest, Record

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
