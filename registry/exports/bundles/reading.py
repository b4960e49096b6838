"""A bundle from outside, as far as it can be checked without a registry: sizes, counts, digests, form, and order.

Records are read again whenever they are needed, line by line, so a large bundle takes little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ratatouille.errors import Refusal
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed, unseal
from ratatouille.record import Record, sha256
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture
from registry.exports.bundles.archive import (
    HEAD,
    LARGEST_HEAD,
    LONGEST_LINE,
    MOST_VERSIONS,
    RECORDS,
    WEIGHTS,
    ArchiveMember,
    BundleManifest,
    Reader,
    RecordFile,
    read_file,
)
from registry.records import Portable

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class _Line:
    """Where a record is."""

    member: ArchiveMember
    start: int
    length: int


class BundleFile:
    """A bundle whose form is right."""

    def __init__(self, reader: Reader) -> None:
        """Check the form.

        Raises:
            Refusal: naming what is wrong.
        """
        self._reader = reader
        names = [member.name for member in reader.members]
        files = [HEAD, *(f"{name}.jsonl" for name in RECORDS)]
        if names[: len(files)] != files:
            raise Refusal(f"it must begin with {', '.join(files)}")
        self.manifest = self._head(reader.members[0])
        self._records = dict(zip(RECORDS, reader.members[1:], strict=False))
        self.weights = {member.name.removeprefix(WEIGHTS): member for member in reader.members[len(files) :]}
        self._check_weights(names[len(files) :])
        self._lines = {name: self._index(member, self.manifest.records(name)) for name, member in self._records.items()}
        self._receipts: dict[str, _Line] = {}
        for line in self._lines["receipts"]:
            sealed = self._read(line, Sealed)
            self._receipts[sha256(sealed.body.encode())] = line
        self._check_order()

    def architectures(self) -> Iterator[Architecture]:
        """All architectures."""
        return (self._read(line, Architecture) for line in self._lines["architectures"])

    def tasks(self) -> Iterator[Task]:
        """All tasks."""
        return (self._read(line, Task) for line in self._lines["tasks"])

    def versions(self) -> Iterator[Portable]:
        """All versions, parents before children."""
        return (self._read(line, Portable) for line in self._lines["versions"])

    def receipt(self, digest: str) -> tuple[Sealed, Receipt]:
        """A receipt, its signature checked.

        Raises:
            Refusal: when it is not inside, or not by its node.
        """
        if digest not in self._receipts:
            raise Refusal(f"receipt {digest[:12]}… is missing")
        sealed = self._read(self._receipts[digest], Sealed)
        receipt = unseal(sealed, Receipt)
        if receipt.node != sealed.node:
            raise Refusal(f"receipt {digest[:12]}… of {receipt.node[:12]}… is signed by {sealed.node[:12]}…")
        return sealed, receipt

    def blocks(self, digest: str, offset: int) -> Iterator[bytes]:
        """The bytes of weights, from an offset on."""
        member = self.weights[digest]
        return self._reader.blocks(member, offset, member.size - offset)

    def _head(self, member: ArchiveMember) -> BundleManifest:
        if member.size > LARGEST_HEAD:
            raise Refusal(f"{HEAD} has {member.size} bytes; {LARGEST_HEAD} are the most")
        data = self._reader.bytes(member)
        manifest = BundleManifest.from_json(data)
        if manifest.to_json() != data:
            raise Refusal(f"{HEAD} is not in canonical form; it was written by other software")
        if manifest.versions.lines > MOST_VERSIONS:
            raise Refusal(f"it has {manifest.versions.lines} versions; {MOST_VERSIONS} are the most")
        return manifest

    def _check_weights(self, names: list[str]) -> None:
        if names != sorted(set(names)) or not all(name.startswith(WEIGHTS) for name in names):
            raise Refusal("its weights are not in the order of their digests, each once")
        sizes = [member.size for member in self.weights.values()]
        if (len(sizes), sum(sizes)) != (self.manifest.weights, self.manifest.bytes):
            raise Refusal(f"{HEAD} says other weights than there are")

    def _index(self, member: ArchiveMember, said: RecordFile) -> list[_Line]:
        """Where the lines begin, once the file is known to be the one that the head names."""
        if member.size != said.size:
            raise Refusal(f"{member.name} has {member.size} bytes; {HEAD} says {said.size}")
        sha, lines, start, place = hashlib.sha256(), list[_Line](), 0, 0
        for block in self._reader.blocks(member):
            sha.update(block)
            at = block.find(b"\n")
            while at >= 0:
                lines.append(_Line(member, start, place + at - start))
                if lines[-1].length > LONGEST_LINE or len(lines) > said.lines:
                    raise Refusal(f"line {len(lines)} of {member.name} is one too many, or too long")
                start = place + at + 1
                at = block.find(b"\n", at + 1)
            place += len(block)
        if sha.hexdigest() != said.sha256 or len(lines) != said.lines or start != member.size:
            raise Refusal(f"{member.name} is damaged: it is not what {HEAD} names")
        return lines

    def _read(self, line: _Line, kind: type[R]) -> R:
        data = self._reader.bytes(line.member, line.start, line.length)
        try:
            record = kind.from_json(data)
        except Refusal as refusal:
            raise Refusal(f"byte {line.start} of {line.member.name}: {refusal}") from refusal
        if record.to_json() != data:
            raise Refusal(f"byte {line.start} of {line.member.name}: this {kind.__name__} is not in canonical form")
        return record

    def _check_order(self) -> None:
        """Every version once and after its parents; nothing inside that no version needs."""
        known, inside, weights = set(self.manifest.needs), set[str](), set[str]()
        used: dict[str, set[str]] = {"architectures": set(), "tasks": set(), "receipts": set()}
        for one in self.versions():
            made = one.version
            if made.id in known:
                raise Refusal(f"version {made.id[:12]}… is inside twice, or needed and inside")
            if orphan := next((each.version for each in made.parents if each.version not in known), None):
                raise Refusal(f"version {made.id[:12]}… comes before its parent {orphan[:12]}…, or without it")
            known.add(made.id)
            inside.add(made.id)
            used["architectures"].add(made.architecture)
            used["tasks"] |= {made.task} if made.task else set()
            used["receipts"] |= {made.receipt} if made.receipt else set()
            used["receipts"] |= set(one.evaluations)
            weights |= {made.featurizer, *([made.head] if made.head else [])} - set(one.collected)
        found = {
            "architectures": [one.digest for one in self.architectures()],
            "tasks": [one.digest for one in self.tasks()],
            "receipts": list(self._receipts),
        }
        for name, digests in found.items():
            if sorted(digests) != sorted(used[name]) or len(digests) != self.manifest.records(name).lines:
                raise Refusal(f"its {name} are not those that its versions need, each once")
        if weights != self.weights.keys():
            raise Refusal("its weights are not those that its versions have")
        if not inside.issuperset(self.manifest.asked):
            raise Refusal("it was made for versions that are not inside")


@contextmanager
def open_bundle(path: Path) -> Iterator[BundleFile]:
    """Open a bundle; what is wrong with it is said with its name.

    Raises:
        Refusal: when it cannot be read, or is none.
    """
    with read_file(path) as file:
        try:
            found = BundleFile(Reader(file, most=1 + len(RECORDS) + 2 * MOST_VERSIONS))
        except Refusal as refusal:
            raise Refusal(f"'{path}' is no bundle that can be taken: {refusal}") from refusal
        yield found
