"""Local data, opened for work: the examples of a task that this machine holds, as arrays.

`open_data` reads one `[[data]]` table; the result knows its holding, which example lies in which split, and gives
pixels. The order of examples depends on their content only, so that replicas on two machines train alike. Nothing here
leaves the machine: what is published is the holding (holding.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ratatouille.errors import Refusal
from ratatouille.tasks.copies import grouped, without_contradictions
from ratatouille.tasks.folder import rows_of_folder
from ratatouille.tasks.holding import Holding, ImageLine, fingerprint_key, holding_of, possession_seed
from ratatouille.tasks.images import Pixels, Progress, code_of, decoded, stored_pixels
from ratatouille.tasks.inspection import DataChanged, Seen, changes, inspect, look, signatures
from ratatouille.tasks.manifest import rows_of_manifest
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.source import Example, Row, examples_of
from ratatouille.tasks.task import Split, Task, split_of
from ratatouille.wording import number_of

Slice = Literal["seen", "new"]
"""Of a held-out domain: groups whose split is train, which other domains may have shown in training ("seen": only the
style is new), or the others ("new": the thing is new too)."""


@dataclass(frozen=True)
class LocalData:
    """The examples of one task on this machine.

    `listing` is sorted by domain, class, group and content; `digests` (SHA-256 of each file) and every array and index
    below follow it. `notes` are sentences about what was left out.
    """

    task: Task
    listing: tuple[Example, ...]
    holding: Holding
    digests: tuple[str, ...]
    notes: tuple[str, ...] = ()
    cache: Path | None = None
    """Where hashes and decoded images are kept; None keeps nothing."""
    image_cache: bool = True
    """False: only hashes are kept, never a copy of an image in any form."""
    settings: DataSettings | None = None
    """Where the data was opened; None for examples that were put together otherwise."""
    _seen: Seen = field(default_factory=dict, repr=False, compare=False)
    _decoded: dict[int, Pixels] = field(default_factory=dict, repr=False, compare=False)
    seed: bytes = field(default=b"", repr=False)
    """Secret seed of the holding's key, which signs offers of it (`possession_seed`); it never leaves the node."""

    def __len__(self) -> int:
        return len(self.listing)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class indices, int64 [N]."""
        return np.array([example.label for example in self.listing], dtype=np.int64)

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """The domain of each example, N of them."""
        return tuple(example.domain for example in self.listing)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of each example, N of them."""
        return tuple(example.group for example in self.listing)

    def splits(self, trial: int = 0) -> tuple[Split, ...]:
        """The split of each example; one that the manifest states is the same in every trial."""
        task = self.task
        return tuple(example.split or split_of(task.name, example.group, task.split, trial) for example in self.listing)

    def examples(
        self, domain: str | None = None, split: Split | None = None, trial: int = 0, slice: Slice | None = None
    ) -> NDArray[np.int64]:
        """Choose examples.

        Args:
            domain: one domain of the task, or None for all; one that is not held has no examples.
            split: one split, or None for all.
            trial: which reshuffling of the splits, 0 for the one for life.
            slice: "seen" keeps groups whose split is train, "new" all others; meant for held-out domains whose groups
                also occur in training domains. None keeps all.

        Returns:
            Indices in ascending order, int64 [n].

        Raises:
            Refusal: if the task has no such domain.
        """
        if domain is not None and domain not in self.task.domains:
            raise Refusal(
                f"'{domain}' is no domain of task '{self.task.name}'; its domains are {listed(self.task.domains)}"
            )
        return np.array(
            [
                index
                for index, (example, side) in enumerate(zip(self.listing, self.splits(trial), strict=True))
                if domain in (None, example.domain)
                and split in (None, side)
                and (slice is None or (side == "train") == (slice == "seen"))
            ],
            dtype=np.int64,
        )

    def images(self, size: int, progress: Progress | None = None) -> Pixels:
        """All images, decoded once: uint8 [N, size, size, 3], RGB.

        With a cache folder the array is a read-only memory map of a file there, made on the first call. Where no copies
        are kept they are decoded from the originals into memory, once until `release`.

        Raises:
            Refusal: if an image changed or vanished since the data was opened, or the cache cannot be written.
        """
        paths = [example.path for example in self.listing]
        if self.cache is None:
            return decoded(paths, self.digests, size, progress)
        if self.image_cache:
            return stored_pixels(paths, self.digests, size, self.cache / "images", progress)
        if size not in self._decoded:
            self._decoded.clear()
            self._decoded[size] = decoded(paths, self.digests, size, progress)
        return self._decoded[size]

    def release(self) -> None:
        """Forget images that were decoded into memory."""
        self._decoded.clear()

    def current(self) -> LocalData:
        """The same data as it is now; files are read again only where the file system says that they changed.

        Raises:
            DataChanged: when its fingerprint is another one now, or it cannot be opened any more.
        """
        if self.settings is None or look(self.settings.path, self._seen) == self._seen:
            return self
        try:
            now = open_data(self.task, self.settings, self.cache, image_cache=self.image_cache)
        except Refusal as error:
            raise DataChanged(
                f"the images of task '{self.task.name}' changed since they were offered, and cannot be used as they "
                f"are now: {error}"
            ) from error
        if now.holding.fingerprint != self.holding.fingerprint:
            found = changes(self.lines, now.lines)
            raise DataChanged(
                f"the images of task '{self.task.name}' changed since they were offered ({found}); start the node "
                f"again to offer them as they are now",
                images=found.images,
            )
        if now.listing != self.listing:  # renamed, which no fingerprint knows here
            return now
        self._seen.clear()
        self._seen.update(now._seen)
        return self

    @cached_property
    def lines(self) -> tuple[ImageLine, ...]:
        """What the fingerprint knows of each example."""
        classes = self.task.classes
        return tuple(
            ImageLine(one.domain, classes[one.label], one.group, one.split or "", digest)
            for one, digest in zip(self.listing, self.digests, strict=True)
        )


def open_data(
    task: Task,
    settings: DataSettings,
    cache: Path | None = None,
    progress: Progress | None = None,
    image_cache: bool = True,
) -> LocalData:
    """Open one's own data for a task.

    Every file is hashed and read to its end once; with a cache folder, unchanged files are not looked at again.

    Args:
        task: what to recognise.
        settings: where the data lies and what it is called.
        cache: a folder of the node for hashes and decoded images; it may be deleted at any time.
        progress: called after each file.
        image_cache: whether decoded images are kept in the cache, too.

    Raises:
        Refusal: one or two sentences about the first thing that cannot be used.
    """
    seen = look(settings.path)  # before anything is read: what changes meanwhile is noticed later
    rows, notes = rows_of(settings)
    folder = settings.path.parent if _is_manifest(settings) else settings.path
    found, left_out = examples_of(rows, folder, task, settings)
    if not found:
        raise Refusal(
            f"no image of '{settings.path}' is left for task '{task.name}' after labels and domains were mapped",
            code="data-empty",
        )
    seen |= signatures(str(example.path) for example in found)
    digests, skipped = _inspected(found, settings, cache, progress)
    images = [(example, digest) for example, digest in zip(found, digests, strict=True) if digest is not None]
    if not images:
        raise Refusal(f"no image of '{settings.path}' can be read", code="data-empty")
    agreeing, contradictory = without_contradictions(images, task, settings)
    if not agreeing:
        raise Refusal(
            f"every image of '{settings.path}' has a copy under another label; correct the labels",
            code="labels-contradict",
            images=len(images),
        )
    images, copied = grouped(agreeing, task, settings)
    pairs = [
        (
            ImageLine(example.domain, task.classes[example.label], example.group, example.split or "", digest),
            example,
        )
        for example, digest in images
    ]
    pairs.sort(key=lambda pair: (pair[0].domain, pair[1].label, *pair[0][2:]))
    lines, secret = [line for line, _ in pairs], settings.secret()
    holding = holding_of(task, lines, secret)
    if settings.missing_classes == "refuse":
        _refuse_missing_classes(task, holding, settings)
    return LocalData(
        task=task,
        listing=tuple(example for _, example in pairs),
        holding=holding,
        digests=tuple(line.sha256 for line, _ in pairs),
        notes=(*notes, *left_out, *skipped, *contradictory, *copied),
        cache=cache,
        image_cache=image_cache,
        settings=settings,
        _seen=seen,
        seed=possession_seed(lines, fingerprint_key(task, secret)),
    )


def rows_of(settings: DataSettings) -> tuple[list[Row], list[str]]:
    """What a folder or manifest lists, in its owner's words, and notes; raises as their readers do."""
    return rows_of_manifest(settings.path) if _is_manifest(settings) else rows_of_folder(settings.path)


def _inspected(
    found: Sequence[Example], settings: DataSettings, cache: Path | None, progress: Progress | None
) -> tuple[list[str | None], list[str]]:
    """The SHA-256 of each example's file, None where it is skipped, and a note about those."""
    answers = inspect([example.path for example in found], cache, progress)
    bad = [(example.path, answer.problem) for example, answer in zip(found, answers, strict=True) if answer.problem]
    if bad and settings.corrupt == "refuse":
        path, problem = bad[0]
        more = f" ({len(bad) - 1} more like it)" if len(bad) > 1 else ""
        raise Refusal(
            f"the image '{path}' cannot be used: {problem}{more}; remove it, or set corrupt = \"skip\"",
            code=code_of(problem),
            images=len(bad),
        )
    digests = [None if answer.problem else answer.sha256 for answer in answers]
    paths = [str(path) for path, _ in bad]
    return digests, [f"skipped {number_of(len(bad), 'image')} that cannot be read: {listed(paths)}"] if bad else []


def _is_manifest(settings: DataSettings) -> bool:
    if settings.format == "auto":
        return settings.path.suffix.lower() == ".csv" and not settings.path.is_dir()
    if settings.format == "manifest" and settings.path.is_dir():
        raise Refusal(
            f"'{settings.path}' is a folder; for format = \"manifest\" set path to the CSV file in it",
            code="manifest-missing",
        )
    return settings.format == "manifest"


def _refuse_missing_classes(task: Task, holding: Holding, settings: DataSettings) -> None:
    for domain in holding.domains:
        totals = [sum(row) for row in zip(*holding.counts[domain].values(), strict=True)]
        missing = [name for name, total in zip(task.classes, totals, strict=True) if not total]
        if missing:
            raise Refusal(
                f"domain '{domain}' of '{settings.path}' has no image of {listed(missing)}; "
                f'add some, or set missing_classes = "allow" if that is how the data is',
                code="class-missing",
                label=task.classes.index(missing[0]),
                domain=task.domains.index(domain),
                classes=len(missing),
            )
