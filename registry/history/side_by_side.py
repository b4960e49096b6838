"""The evaluations of two versions side by side.

Where both were counted on the same holdings, those are compared, image for image; otherwise all that each was counted
on. Which images both networks recognise is known only where a node compared the two (`joint`): its receipt is looked
for among the task's comparisons.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select

from ratatouille.exchange.assignment import Compare, Mixture
from ratatouille.exchange.confusion import Confusion, add, by_class
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Sealed
from ratatouille.exchange.statistics import (
    METRICS,
    Ahead,
    CountedShare,
    accuracy,
    ahead_on_others,
    ahead_on_same,
    mean_ahead,
    mean_of,
)
from ratatouille.exchange.version import Version
from registry.records import CellDifference, Gap, StoredEvaluation
from registry.schema import ContributionRow

MOST_COMPARISONS = 200
"""Receipts that are looked into, the latest first; each may have megabytes."""


class CountedCell(NamedTuple):
    """Where two networks were compared."""

    fingerprint: str
    trial: int
    image_size: int
    domain: str
    split: str
    slice: str


Joint = Mapping[CountedCell, tuple[int, int]]
"""How many images only the first and only the second recognises."""


def joint(connection: Connection, first: Version, second: Version) -> Joint:
    """What comparisons counted of these two versions, each by itself; of a cell that was counted twice the latest."""
    if first.head is None or second.head is None or first.task != second.task or first.task is None:
        return {}
    query = select(ContributionRow.sealed).where(
        ContributionRow.kind == "compare",
        ContributionRow.task == first.task,
        ContributionRow.state == "admitted",
        *(ContributionRow.sealed.contains(digest) for digest in {first.head, second.head}),
    )
    found: dict[CountedCell, tuple[int, int]] = {}
    for sealed in connection.execute(query.order_by(ContributionRow.created.desc()).limit(MOST_COMPARISONS)).scalars():
        for cell, counts in _counted_by(Receipt.from_json(Sealed.from_json(sealed).body), first, second).items():
            found.setdefault(cell, counts)
    return found


def _counted_by(receipt: Receipt, first: Version, second: Version) -> Joint:
    work, comparison = receipt.assignment, receipt.comparison
    if not isinstance(work, Compare) or comparison is None:
        return {}
    ones = {place for place, network in enumerate(work.networks) if _is(network, first)}
    twos = {place for place, network in enumerate(work.networks) if _is(network, second)}
    found = {}
    for pair in comparison.pairs:
        where = (work.fingerprint, work.trial, work.image_size, pair.cell.domain, pair.cell.split, pair.cell.slice)
        if pair.first in ones and pair.second in twos:
            found[CountedCell(*where)] = (pair.only_first, pair.only_second)
        elif pair.first in twos and pair.second in ones:
            found[CountedCell(*where)] = (pair.only_second, pair.only_first)
    return found


def _is(network: Mixture, version: Version) -> bool:
    """Whether a network of a comparison is a version by itself."""
    parts = [{one.part for one in weights} for weights in (network.featurizer, network.head)]
    return parts == [{version.featurizer}, {version.head}]


Group = tuple[str, str, str, int, int]
"""Task, split, slice, trial, image size: what a mean over domains shares."""


@dataclass(frozen=True)
class Both:
    """Both versions on one cell."""

    first: Confusion
    second: Confusion
    same_images: bool
    joint: tuple[int, int] | None
    """Images that only the first and only the second recognises, where that is known."""

    def ahead(self) -> dict[str, Ahead | None]:
        """How far the second is ahead, by metric; of balanced accuracy None where the two saw different classes."""
        one, two = accuracy(self.first), accuracy(self.second)
        if self.joint is not None:
            plain = ahead_on_same(*self.joint, one.images)
        else:
            plain = ahead_on_others((one.correct, one.images), (two.correct, two.images))
        classes = list(zip(by_class(self.first), by_class(self.second), strict=True))
        alike = all(bool(a[1]) == bool(b[1]) for a, b in classes)
        balanced = mean_ahead([ahead_on_others(a, b) for a, b in classes if a[1]]) if alike else None
        return {"accuracy": plain, "balanced_accuracy": balanced}


def side_by_side(
    first: Iterable[StoredEvaluation], second: Iterable[StoredEvaluation], joint: Joint
) -> tuple[CellDifference, ...]:
    """A row for each cell that either was counted on, and one for the mean over the domains of both where there are
    several.

    Args:
        first: the first version's evaluations.
        second: the second's.
        joint: by cell and holding, how many images only one of them recognises.
    """
    ones, twos = _by_cell(first), _by_cell(second)
    rows: dict[Group, list[CellDifference]] = defaultdict(list)
    compared: dict[Group, list[Both]] = defaultdict(list)
    for group, domain in sorted(ones.keys() | twos.keys()):
        one, two = ones.get((group, domain), {}), twos.get((group, domain), {})
        if one and two:
            compared[group].append(_both(group, domain, one, two, joint))
            rows[group].append(_row(group, domain, compared[group][-1:]))
        else:
            rows[group].append(_alone(group, domain, one, two))
    for group, cells in compared.items():
        if len(cells) > 1:
            rows[group].append(_row(group, None, cells))
    return tuple(row for group in sorted(rows) for row in rows[group])


def _by_cell(stored: Iterable[StoredEvaluation]) -> dict[tuple[Group, str], dict[str, Confusion]]:
    """Counts by cell and holding; without images there is nothing to compare."""
    found: dict[tuple[Group, str], dict[str, Confusion]] = defaultdict(dict)
    for one in stored:
        if one.evaluation.count:
            cell = one.evaluation.cell
            group = (one.task_name, cell.split, cell.slice, one.trial, one.image_size)
            found[group, cell.domain][one.fingerprint] = one.evaluation.confusion
    return found


def _both(group: Group, domain: str, one: Mapping[str, Confusion], two: Mapping[str, Confusion], joint: Joint) -> Both:
    common = sorted(one.keys() & two.keys())
    if not common:
        return Both(add(list(one.values())), add(list(two.values())), same_images=False, joint=None)
    _, split, slice_, trial, image_size = group
    found = [joint.get(CountedCell(each, trial, image_size, domain, split, slice_)) for each in common]
    known = [pair for pair in found if pair is not None]
    complete = len(known) == len(common)
    return Both(
        add([one[each] for each in common]),
        add([two[each] for each in common]),
        same_images=True,
        joint=(sum(a for a, _ in known), sum(b for _, b in known)) if complete else None,
    )


def _row(group: Group, domain: str | None, cells: Sequence[Both]) -> CellDifference:
    """One cell, or the mean over the cells of several domains."""
    aheads = [cell.ahead() for cell in cells]
    gaps = {}
    for name, metric in METRICS.items():
        one, two = mean_of([metric(cell.first) for cell in cells]), mean_of([metric(cell.second) for cell in cells])
        known = [found for ahead in aheads if (found := ahead[name]) is not None]
        gaps[name] = _gap(one, two, mean_ahead(known) if len(known) == len(cells) else None)
        images = one.images, two.images
    same = all(cell.same_images for cell in cells)
    return _difference(group, domain, images, gaps, same, all(cell.joint is not None for cell in cells))


def _alone(group: Group, domain: str, one: Mapping[str, Confusion], two: Mapping[str, Confusion]) -> CellDifference:
    """A cell that only one of the two was counted on."""
    gaps, images = {}, [0, 0]
    for name, metric in METRICS.items():
        found = [metric(add(list(side.values()))) if side else None for side in (one, two)]
        images = [counted.images if counted else 0 for counted in found]
        first, second = (counted.value if counted else None for counted in found)
        gaps[name] = Gap(first=first, second=second)
    return _difference(group, domain, (images[0], images[1]), gaps, False, False)


def _gap(first: CountedShare, second: CountedShare, ahead: Ahead | None) -> Gap:
    low, high = ahead.interval if ahead is not None else (None, None)
    return Gap(first=first.value, second=second.value, difference=float(second.share - first.share), low=low, high=high)


def _difference(
    group: Group, domain: str | None, images: tuple[int, int], gaps: Mapping[str, Gap], same_images: bool, paired: bool
) -> CellDifference:
    task, split, slice_, trial, image_size = group
    where = {"task": task, "domain": domain, "split": split, "slice": slice_, "trial": trial, "image_size": image_size}
    return CellDifference.model_validate(
        {**where, "images": images, "same_images": same_images, "paired": paired, **gaps}
    )
