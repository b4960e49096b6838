"""The file of a bundle: a tar archive in one form only, which any tar program opens.

It is not read as tar archives are, whose extensions could name any path and any size. Each header must be, byte for
byte, the one that we would write for its name and size, as `ratatouille.weights.canonical` does with weights; names are
the few that a bundle has. Nothing from the file becomes a path.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import Field

from ratatouille.errors import Refusal
from ratatouille.exchange.receipt import ShortText
from ratatouille.record import Digest, Record

SECTOR = 512
END = bytes(2 * SECTOR)
BLOCK = 2**20
LARGEST = 2**50
"""Bytes of one member: more than any weights have, and less than any number overflows at."""
NAMES = re.compile(rb"(bundle\.json|(architectures|tasks|receipts|versions)\.jsonl|weights/[0-9a-f]{64})\0*")
HEAD = "bundle.json"
WEIGHTS = "weights/"
LARGEST_HEAD = 4 * 2**20
"""Bytes of bundle.json."""
LONGEST_LINE = 40 * 2**20
"""Bytes of one record; the largest receipt fits."""
MOST_VERSIONS = 10_000
"""A bundle is entered in one transaction, and others wait meanwhile; more history moves by backup."""
RECORDS = ("architectures", "tasks", "receipts", "versions")
"""The files of records, in their order; versions are `registry.records.Portable`, receipts are sealed."""


@dataclass(frozen=True)
class ArchiveMember:
    """A file inside: where its bytes begin in the archive, and how many there are."""

    name: str
    offset: int
    size: int


def header(name: str, size: int) -> bytes:
    """The one header of a file with this name and size."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def padding(size: int) -> int:
    """Zeros that follow a file of this size."""
    return -size % SECTOR


class Writer:
    """Writes members one after the other; `close` ends the archive."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, name: str, size: int, blocks: Iterator[bytes | memoryview]) -> None:
        """Add a member.

        Raises:
            Refusal: when the blocks are not as many bytes as promised.
        """
        self._file.write(header(name, size))
        written = 0
        for block in blocks:
            self._file.write(block)
            written += len(block)
        if written != size:
            raise Refusal(f"{name} changed while it was written: it has {written} bytes instead of {size}")
        self._file.write(bytes(padding(size)))

    def close(self) -> None:
        """End the archive."""
        self._file.write(END)


class Reader:
    """The members of an archive from outside, in their order; bytes are read when they are asked for."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        """Find the members.

        Args:
            file: seekable.
            most: how many members are taken.

        Raises:
            Refusal: for anything but such an archive.
        """
        self._file = file
        self._length = file.seek(0, 2)
        self.members: list[ArchiveMember] = []
        offset = 0
        while (found := self._member(offset)) is not None:
            if len(self.members) >= most:
                raise Refusal(f"it has more than {most} members")
            self.members.append(found)
            offset = found.offset + found.size + padding(found.size)
        if self._length != offset + len(END):
            raise Refusal(f"something follows after its end, at byte {offset + len(END)}")

    def blocks(self, member: ArchiveMember, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Bytes of a member, in blocks."""
        left = member.size - start if length is None else length
        self._file.seek(member.offset + start)
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise Refusal(f"{member.name} ends too early")  # the file became shorter meanwhile
            left -= len(block)
            yield block

    def bytes(self, member: ArchiveMember, start: int = 0, length: int | None = None) -> bytes:
        """The same at once, for what is small."""
        return b"".join(self.blocks(member, start, length))

    def _member(self, offset: int) -> ArchiveMember | None:
        self._file.seek(offset)
        head = self._file.read(SECTOR)
        if len(head) < SECTOR:
            raise Refusal(f"it ends too early, at byte {self._length}")
        if head == END[:SECTOR]:
            if self._file.read(SECTOR) != END[SECTOR:]:
                raise Refusal(f"its end, at byte {offset}, is not as it should be")
            return None
        if NAMES.fullmatch(head[:100]) is None:
            raise Refusal(f"at byte {offset} is no file that a bundle has")
        name, size = head[:100].rstrip(b"\0").decode(), _size(head[124:136])
        if not 0 <= size <= LARGEST or head != header(name, size):
            raise Refusal(f"the header of {name} at byte {offset} is not in the form of a bundle")
        start = offset + SECTOR
        if start + size + padding(size) > self._length:
            raise Refusal(f"{name} should have {size} bytes, and the file ends before")
        self._file.seek(start + size)
        if any(self._file.read(padding(size))):
            raise Refusal(f"behind {name} is more than it should be")
        return ArchiveMember(name, start, size)


def read_file(path: Path) -> BinaryIO:
    """Open a bundle to read.

    Raises:
        Refusal: when it cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise Refusal(f"'{path}' cannot be read: {error.strerror}") from error
    if not file.seekable():
        file.close()
        raise Refusal(f"'{path}' is a stream; write it to a file first")
    return file


def _size(field: bytes) -> int:
    """The size in a header: octal digits, or a large number in binary; -1 for anything else."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.rstrip(b"\0 ")
    return int(digits, 8) if digits and not digits.translate(None, b"01234567") else -1


class RecordFile(Record):
    """One file of records: a line of canonical JSON for each."""

    lines: Annotated[int, Field(ge=0, le=20 * MOST_VERSIONS)]
    size: Annotated[int, Field(ge=0, le=2**31)]
    sha256: Digest


class BundleManifest(Record):
    """bundle.json: what is in the other files. Its digest names the whole bundle."""

    format: Literal[1] = 1
    software: ShortText
    asked: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=MOST_VERSIONS)]
    """The versions that the bundle was made for; the others are their ancestors."""
    needs: Annotated[tuple[Digest, ...], Field(max_length=MOST_VERSIONS)] = ()
    """Versions that are not inside, and that a registry must have to take it."""
    architectures: RecordFile
    tasks: RecordFile
    receipts: RecordFile
    versions: RecordFile
    weights: Annotated[int, Field(ge=0, le=2 * MOST_VERSIONS)]
    bytes: Annotated[int, Field(ge=0)]
    """Of all weights."""

    def records(self, name: str) -> RecordFile:
        """One of the files of `RECORDS`."""
        found: RecordFile = getattr(self, name)
        return found
