"""Scoring versions on images of one's own, on this machine: the registry is read, and nothing is sent to it.

A version's own head is used where the folder has no other classes than the version's task; otherwise a head is probed
on the frozen features of the folder's training side, and the rest is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ratatouille.analysis.own_data import OwnDifference, OwnScore, difference, lead, own_scores
from ratatouille.errors import Refusal
from ratatouille.exchange.confusion import Confusion, add, by_class
from ratatouille.recipes.protocol import DOMAINBED
from ratatouille.record import Digest, Name, Record
from ratatouille.tasks.own import OwnData, OwnFolder
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.task import Task
from ratatouille.training.own_data import Featurizer, Part, Tally, features, own_head, probed_head, tally
from registry.presentation.lineage import trained_size
from registry.records import Details, LogQuery
from registry.services.registry import Registry

HeadWish = Literal["auto", "own", "probed"]
"""`auto`: a version's own head where it fits."""

Counting = Callable[[str], AbstractContextManager[Callable[[int, int], None] | None]]


def silent(what: str) -> AbstractContextManager[None]:
    """Progress that is not shown."""
    return nullcontext()


class Scored(Record):
    """One version on images of one's own."""

    revision: str
    version: Digest
    rule: str
    task: Name | None
    head: Literal["own", "probed"]
    reason: str
    """Why a head was probed; empty for a version's own head."""
    image_size: int
    fitted: int
    """Images that a probed head was fitted on; 0 for a version's own."""
    classes: tuple[str, ...]
    confusion: Confusion
    """All images together: rows are true classes."""
    scores: tuple[OwnScore, ...]


class OwnRanking(Record):
    """Versions by their score on the same images, the best first."""

    metric: str
    sentence: str
    versions: tuple[Scored, ...]
    behind: tuple[OwnDifference, ...]
    """How far the first is ahead of each of the others."""


@dataclass
class Scoring:
    """A folder, a registry and what is asked for."""

    registry: Registry
    folder: OwnFolder
    cache: Path
    head: HeadWish = "auto"
    part: Part | None = None
    """Which images are counted; None: all with a version's own head, those that do not train with a probed one."""
    image_size: int | None = None
    """None: the size that a version was trained at."""
    device: str = "auto"
    l2: float = DOMAINBED.probe_l2
    """Strength of a probed head's regularisation."""
    counting: Counting = silent
    """Opens the progress of one thing that takes time, by its name."""
    notes: dict[str, None] = field(default_factory=dict)
    """Sentences about the data, each once, in the order in which they came up."""
    _opened: dict[str | None, OwnData] = field(default_factory=dict)

    def each(self, revisions: Sequence[str]) -> list[Scored]:
        """Score versions, each with the head that fits it.

        Raises:
            Refusal: an unknown revision, data that cannot be used, too few images for a probed head.
        """
        # A mistyped revision is said before the long work on the others.
        found = [(revision, self.registry.versions.show(revision)) for revision in dict.fromkeys(revisions)]
        reasons = [self._why_probed(details) for _, details in found]
        return [
            self._score(revision, details, reason)[0]
            for (revision, details), reason in zip(found, reasons, strict=True)
        ]

    def best(self, last: int, task: str | None = None, metric: str | None = None) -> OwnRanking:
        """Score the newest versions on the same images and say whether the best is more than lucky.

        Args:
            last: how many.
            task: only versions for this task.
            metric: `accuracy` or `balanced_accuracy`; None: that of the versions' task, if they have one.

        Raises:
            Refusal: as `each`, and when there is no version.
        """
        entries = self.registry.versions.log(LogQuery(task=task), limit=last)
        if not entries:
            raise Refusal("there is no version to score; `ratatouille log` lists what the registry has")
        found = [self.registry.versions.show(entry.id) for entry in entries]
        reasons = [self._why_probed(details) for details in found]
        # One kind of head for all, or they would be counted on different images.
        without = next((details.entry.id for details, reason in zip(found, reasons, strict=True) if reason), None)
        if without is not None:
            reasons = [reason or f"so that all are alike, as {without[:10]} needs one" for reason in reasons]
        tasks = {details.entry.version.task for details in found}
        if without is None and len(tasks) > 1 and self.part not in (None, "all"):
            raise Refusal(f"tasks split images differently, so --split {self.part} needs --task too: name one")
        if metric is None:
            only = next(iter(tasks)) if len(tasks) == 1 else None
            metric = self.registry.definitions.task(only).metric if only else "accuracy"
        pairs = [
            self._score(entry.id, details, why) for entry, details, why in zip(entries, found, reasons, strict=True)
        ]
        # sorted() keeps the newer of two that are level in front
        pairs = sorted(pairs, key=lambda pair: -pair[0].scores[0].metric(metric).value)
        behind = tuple(difference(pairs[0][1].answers, other.answers, metric) for _, other in pairs[1:])
        names = [scored.version[:10] for scored, _ in pairs]
        return OwnRanking(
            metric=metric,
            sentence=lead(names, behind, metric),
            versions=tuple(scored for scored, _ in pairs),
            behind=behind,
        )

    def _why_probed(self, details: Details) -> str:
        """Why a version's own head is not used; empty where it is.

        Raises:
            Refusal: for a head that is asked for and does not fit.
        """
        version = details.entry.version
        if self.head == "probed":
            return "asked for"
        reason = ""
        if version.head is None or version.task is None:
            reason = "the version has no head"
        elif foreign := self.folder.foreign(task := self.registry.definitions.task(version.task)):
            reason = f"{listed(foreign, 3)} is no class of task '{task.name}'"
            if len(foreign) > 1:
                reason = f"{listed(foreign, 3)} are no classes of task '{task.name}'"
        if reason and self.head == "own":
            raise Refusal(
                f"the own head of {details.entry.id[:10]} cannot be used: {reason}; map labels with --map, or leave "
                "out --head"
            )
        return reason

    def _score(self, revision: str, details: Details, reason: str) -> tuple[Scored, Tally]:
        version = details.entry.version
        architecture = self.registry.definitions.architecture(version.architecture)
        task = self.registry.definitions.task(version.task) if version.task else None
        own = self._open(None if reason else task)
        size = self.image_size or trained_size(self.registry, details) or architecture.input_size
        path = self.registry.weights.fetch(version.featurizer)
        featurizer = Featurizer(architecture, version.featurizer, path, size)
        part = self._part(bool(reason))
        with self.counting("images decoded") as on_progress:
            own.data.images(size, on_progress)
        with self.counting(f"images that {details.entry.id[:10]} has looked at") as on_progress:
            seen = features(featurizer, own, self.cache / "features", self.device, on_progress)
        if reason:
            head, fitted = probed_head(own, seen, self.l2)
        else:
            assert version.head is not None
            head, fitted = (
                own_head(architecture, len(own.data.task.classes), self.registry.weights.fetch(version.head)),
                0,
            )
        counted = tally(own, seen, head, part, fitted)
        confusion = add([one.confusion for one in counted.domains.values()])
        self._note(own, confusion)
        scored = Scored(
            revision=revision,
            version=details.entry.id,
            rule=" ".join(filter(None, (version.rule.name, version.rule.purpose))),
            task=details.entry.task_name,
            head="probed" if reason else "own",
            reason=reason,
            image_size=size,
            fitted=fitted,
            classes=own.data.task.classes,
            confusion=confusion,
            scores=own_scores(counted.domains, own.names),
        )
        return scored, counted

    def _part(self, probed: bool) -> Part:
        if probed and self.part in ("all", "train"):
            raise Refusal(
                f"a head is probed on the training side of the split, so --split {self.part} would count images that "
                "it was fitted on; use validation, test or rest"
            )
        return self.part or ("rest" if probed else "all")

    def _open(self, task: Task | None) -> OwnData:
        key = task.digest if task else None
        if key not in self._opened:
            with self.counting("images read") as on_progress:
                self._opened[key] = self.folder.open(task, self.cache, on_progress)
        return self._opened[key]

    def _note(self, own: OwnData, confusion: Confusion) -> None:
        self.notes |= dict.fromkeys(own.data.notes)
        held = set(own.data.labels.tolist())
        classes = own.data.task.classes
        images = [of for _, of in by_class(confusion)]
        empty = [name for label, name in enumerate(classes) if label in held and not images[label]]
        if empty:
            self.notes[f"of {listed(empty)} no image is counted"] = None
