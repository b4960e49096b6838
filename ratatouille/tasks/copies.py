"""Copies of images: the same bytes twice in one collection, also under different labels.

Under split rule 2 all copies of an image are one group, so that none of them is on another side of the split, and an
image that is its own group (`group = "file"`) is named by its bytes: the split depends on no file name. Copies under
different labels contradict each other; they are refused, or all left out. Under rule 1, which older tasks keep with
their sides and digests, both are only noted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ratatouille.errors import Refusal
from ratatouille.tasks.sentences import listed
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.source import Example, normal, refuse_torn_groups
from ratatouille.tasks.task import Task, split_of
from ratatouille.wording import number_of

Image = tuple[Example, str]
"""An example, and the SHA-256 of its file."""


def without_contradictions(
    images: Sequence[Image], task: Task, settings: DataSettings
) -> tuple[list[Image], list[str]]:
    """The images whose copies all have one label, and notes.

    Raises:
        Refusal: under split rule 2, naming two copies with different labels, unless they are to be dropped.
    """
    labels: dict[str, set[int]] = defaultdict(set)
    for example, digest in images:
        labels[digest].add(example.label)
    contradictory = {digest for digest, found in labels.items() if len(found) > 1}
    if not contradictory:
        return list(images), []
    first = next(digest for _, digest in images if digest in contradictory)
    copies = [example for example, digest in images if digest == first]
    one, other = copies[0], next(each for each in copies if each.label != copies[0].label)
    where = f"'{one.path}' is '{task.classes[one.label]}' and '{other.path}' is '{task.classes[other.label]}'"
    count = sum(digest in contradictory for _, digest in images)
    if task.split.rule == 1:
        return list(images), [
            f"{number_of(count, 'image has', 'images have')} a copy with another label: {where}; correct the labels"
        ]
    if settings.contradictions == "refuse":
        more = f" ({number_of(len(contradictory) - 1, 'more image')} like it)" if len(contradictory) > 1 else ""
        raise Refusal(
            f'the same image has two labels: {where}{more}; correct them, or set contradictions = "drop" to leave '
            "all copies out"
        )
    kept = [image for image in images if image[1] not in contradictory]
    left_out = number_of(count, "image that is a copy", "images that are copies")
    return kept, [f"left out {left_out} under different labels, such as {where}"]


def grouped(images: Sequence[Image], task: Task, settings: DataSettings) -> tuple[list[Image], list[str]]:
    """The images with the groups that the task's split rule gives them, and notes.

    Raises:
        Refusal: under rule 2, for copies whose manifest states different splits.
    """
    if task.split.rule == 1:
        return list(images), _copies_on_both_sides(images, task)
    named = [(_named(example, digest, settings), digest) for example, digest in images]
    united = _united(named)
    result = [(replace(example, group=united[example.group]), digest) for example, digest in named]
    refuse_torn_groups([example for example, _ in result])
    return result, []


def _named(example: Example, digest: str, settings: DataSettings) -> Example:
    """An example whose group is in NFC, or named by its bytes where each image is a group of its own."""
    alone = settings.group == "file" and not example.group_stated
    return replace(example, group=digest if alone else normal(example.group))


def _united(images: Iterable[Image]) -> Mapping[str, str]:
    """For each group the first name of all the groups that copies join to it."""
    joined: dict[str, str] = {}

    def first(group: str) -> str:
        while joined.setdefault(group, group) != group:
            joined[group] = joined[joined[group]]
            group = joined[group]
        return group

    seen: dict[str, str] = {}
    for example, digest in images:
        one, other = sorted((first(example.group), first(seen.setdefault(digest, example.group))))
        joined[other] = one
    return {group: first(group) for group in list(joined)}


def _copies_on_both_sides(images: Sequence[Image], task: Task) -> list[str]:
    """A note about copies that rule 1 puts on different sides."""
    sides: dict[str, set[str]] = defaultdict(set)
    for example, digest in images:
        sides[digest].add(example.split or split_of(task.name, example.group, task.split))
    torn = [digest for digest, found in sides.items() if len(found) > 1]
    if not torn:
        return []
    paths = [str(example.path) for example, digest in images if digest == torn[0]]
    return [
        f"copies of {number_of(len(torn), 'image')} lie on both sides of the split, such as {listed(paths)}; a task "
        "of split rule 2 keeps them together"
    ]
