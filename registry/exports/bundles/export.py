"""Writing a bundle from any registry, in process or over gRPC: the records first, then weights in the order of digests.

The file appears whole or not at all, and the same versions make the same file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ratatouille.errors import Refusal
from ratatouille.folders import sync
from ratatouille.record import Record
from ratatouille.weights.architecture import Part
from ratatouille.weights.canonical import size
from registry.exports.bundles.archive import BLOCK, HEAD, RECORDS, WEIGHTS, BundleManifest, RecordFile, Writer
from registry.exports.content import SOFTWARE, by_digest, write_lines
from registry.lists import chunks
from registry.records import Portable
from registry.services.registry import Registry
from registry.services.weights import Progress

AT_ONCE = 20
"""Versions that are asked for in one call."""


def export(
    registry: Registry,
    revisions: Sequence[str],
    file: Path,
    depth: int | None = None,
    tags: bool = False,
    progress: Progress | None = None,
) -> BundleManifest:
    """Write versions with their ancestors, receipts, definitions, evaluations and weights.

    Args:
        registry: where they are.
        revisions: what they are called.
        file: where to; it must not exist.
        depth: how many steps back; None is all. What is further back must be known where the bundle goes.
        tags: whether their tags go with them.
        progress: is called with bytes of weights written and bytes in all.

    Raises:
        Refusal: for an unknown revision, too many ancestors, or a file that exists or cannot be written.
        Unreachable: when the registry does not answer.
    """
    if file.exists():
        raise Refusal(f"'{file}' exists; name another file, or remove it")
    asked = [registry.versions.resolve(revision) for revision in revisions]
    ids = registry.versions.ancestry(asked) if depth is None else registry.versions.ancestry(asked, depth)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as name:
        folder = Path(name)
        gathered = _Gathered(registry, folder, tags)
        gathered.read(ids)
        manifest = BundleManifest(
            software=SOFTWARE,
            asked=tuple(sorted(set(asked))),
            needs=tuple(sorted(gathered.parents - set(ids))),
            architectures=gathered.lines["architectures"],
            tasks=gathered.lines["tasks"],
            receipts=gathered.lines["receipts"],
            versions=gathered.lines["versions"],
            weights=len(gathered.weights),
            bytes=sum(gathered.weights.values()),
        )
        _write(registry, manifest, folder, gathered, progress)
        (folder / "bundle").rename(file)
    sync(file.parent)
    return manifest


class _Gathered:
    """The records of a manifest, in files, and which weights belong to them."""

    def __init__(self, registry: Registry, folder: Path, tags: bool) -> None:
        self._registry = registry
        self._folder = folder
        self._tags = tags
        self.lines: dict[str, RecordFile] = {}
        """Length and digest of each file of records."""
        self._lengths: dict[tuple[str, str | None], dict[Part, int]] = {}
        self._receipts: dict[str, None] = {}
        self._definitions: dict[str, set[str]] = {"architectures": set(), "tasks": set()}
        self.parents: set[str] = set()
        self.weights: dict[str, int] = {}

    def read(self, ids: Sequence[str]) -> None:
        """Write all records down."""
        self._spool("versions", self._versions(ids))
        self._spool("receipts", self._sealed())
        for name, digests in self._definitions.items():
            defined = self._registry.definitions
            read = defined.architecture if name == "architectures" else defined.task
            self._spool(name, (read(digest) for digest in sorted(digests)))

    def _versions(self, ids: Sequence[str]) -> Iterator[Portable]:
        for some in chunks(ids, AT_ONCE):
            for one in self._registry.versions.portables(some):
                self._note(one)
                yield one if self._tags else one.model_copy(update={"tags": ()})

    def _note(self, one: Portable) -> None:
        made = one.version
        self.parents |= {parent.version for parent in made.parents}
        self._definitions["architectures"].add(made.architecture)
        if made.task is not None:
            self._definitions["tasks"].add(made.task)
        self._receipts |= dict.fromkeys([made.receipt] if made.receipt else [])
        self._receipts |= dict.fromkeys(one.evaluations)
        for part, length in self._parts(made.architecture, made.task).items():
            digest = getattr(made, part)
            if digest is not None and digest not in one.collected:
                self.weights[digest] = length

    def _parts(self, network: str, about: str | None) -> dict[Part, int]:
        """Lengths of the parts that versions of an architecture and a task have."""
        if (network, about) not in self._lengths:
            record = self._registry.definitions.architecture(network)
            lengths: dict[Part, int] = {"featurizer": size(record.part("featurizer", 0))}
            if about is not None:
                lengths["head"] = size(record.part("head", len(self._registry.definitions.task(about).classes)))
            self._lengths[network, about] = lengths
        return self._lengths[network, about]

    def _sealed(self) -> Iterator[Record]:
        left = list(self._receipts)
        while left:
            some = self._registry.versions.receipts(left[:AT_ONCE])
            yield from some
            left = left[len(some) :]

    def _spool(self, name: str, records: Iterable[Record]) -> None:
        written = write_lines(self._folder / name, (record.to_json() for record in records))
        self.lines[name] = RecordFile(lines=written.lines, size=written.size, sha256=written.sha256)


def _write(
    registry: Registry, manifest: BundleManifest, folder: Path, gathered: _Gathered, progress: Progress | None
) -> None:
    with (folder / "bundle").open("wb") as file:
        writer = Writer(file)
        head = manifest.to_json()
        writer.add(HEAD, len(head), iter([head]))
        for name in RECORDS:
            writer.add(f"{name}.jsonl", manifest.records(name).size, _blocks(folder / name))
        for digest in by_digest(gathered.weights, progress):
            writer.add(f"{WEIGHTS}{digest}", gathered.weights[digest], _blocks(registry.weights.fetch(digest)))
        writer.close()
        file.flush()
        os.fsync(file.fileno())


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
