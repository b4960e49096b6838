"""A folder of one's own, outside of any round: what its classes and domains are called, and the data that it makes.

To score versions on own images, neither a task's domains nor all of its classes are needed.
Images are counted under the names of the folder; a task's classes are used where the folder has no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ratatouille.errors import Refusal
from ratatouille.record import first_problem
from ratatouille.tasks.data import LocalData, open_data, rows_of
from ratatouille.tasks.images import Progress
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.settings import LEAVE_OUT, DataSettings
from ratatouille.tasks.task import Task

NAME = "own-data"
"""The task that a folder makes where no other fits; splits are hashes of it."""


@dataclass(frozen=True)
class OwnFolder:
    """A folder or manifest whose images were not looked at yet.

    `classes` are the labels after mapping, without those that are left out; `domains` is empty where none is named.
    """

    settings: DataSettings
    classes: tuple[str, ...]
    domains: tuple[str, ...]

    def foreign(self, task: Task) -> list[str]:
        """Classes that the task does not have."""
        return [name for name in self.classes if name not in task.classes]

    def open(self, task: Task | None, cache: Path | None = None, progress: Progress | None = None) -> OwnData:
        """The data under a task's classes, or under the folder's own for None.

        Args:
            task: one without `foreign` classes; its name and rule decide the splits, its domains do not matter.
            cache: a folder for hashes and decoded images.
            progress: called after each file.

        Raises:
            Refusal: as `open_data` does; for None, fewer than two classes, or a folder that cannot name a class.
        """
        # Local domains may have any name; within the task they have numbers.
        inner = {name: f"domain-{number:06d}" for number, name in enumerate(self.domains)}
        domains = tuple(inner.values()) or ("all",)
        if task is None and len(self.classes) < 2:
            raise Refusal(
                f"'{self.settings.path}' has one class only, {listed(self.classes)}; a head tells two or more apart"
            )
        try:
            base = task or Task(name=NAME, kind="target", classes=self.classes, domains=domains)
        except ValidationError as error:
            raise Refusal(f"'{self.settings.path}' has a label that is no class: {first_problem(error)}") from error
        settings = self.settings.model_copy(update={"domains": inner})
        data = open_data(base.model_copy(update={"domains": domains}), settings, cache, progress)
        return OwnData(data, {number: name for name, number in inner.items()})


@dataclass(frozen=True)
class OwnData:
    """Opened images of one's own; `names` has the folder's names of the domains, and is empty where it has none."""

    data: LocalData
    names: Mapping[str, str]

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The file of each example; they tell which images two openings have in common."""
        return tuple(str(example.path) for example in self.data.listing)


def look_at(
    path: Path,
    labels: Mapping[str, str],
    group: str = "file",
    corrupt: Literal["refuse", "skip"] = "refuse",
) -> OwnFolder:
    """See what a folder or manifest holds, without opening an image.

    Args:
        path: `class/*`, `domain/class/*`, or a CSV manifest.
        labels: local label → name of the class, "-" to leave it out.
        group: as in node.toml.
        corrupt: as in node.toml.

    Raises:
        Refusal: no images, images at mixed depths, a mapped label that is not there, an unusable group.
    """
    try:
        settings = DataSettings(path=path, labels=dict(labels), group=group, corrupt=corrupt, missing_classes="allow")
    except ValidationError as error:
        raise Refusal(f"'{path}' cannot be read that way: {first_problem(error)}") from error
    rows, _ = rows_of(settings)
    local = sorted({row.label for row in rows})
    missing = [label for label in labels if label not in local]
    if missing:
        raise Refusal(f"--map names '{missing[0]}', which '{path}' does not have; its classes are {listed(local)}")
    classes = sorted({labels.get(label, label) for label in local} - set(LEAVE_OUT))
    if not classes:
        raise Refusal(f"every class of '{path}' is left out; keep one")
    return OwnFolder(settings, tuple(classes), tuple(sorted({row.domain for row in rows if row.domain is not None})))
