"""Whose work an average is made of: effective shares, through averages of averages, and who stands further back.

The share of a version in another is a product of coefficients along the averages between them. Trainings end the walk:
what a training started from has no coefficient in it, but its influence remains; it is listed as such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ratatouille.record import Record
from registry.web.brief import Brief


class Member(Record):
    """One version that an average is made of."""

    version: Brief
    share: float
    """Of 1; the parts of a mix may be negative."""


class Part(Record):
    """Somebody whose versions are part of an average, or were started from."""

    name: str
    node: str | None
    share: float | None
    """The sum over their members; None for those further back."""
    versions: int


class Shares(Record):
    """What a version is made of."""

    members: tuple[Member, ...]
    """The trained or imported versions in the average, the largest share first; the version itself if it is none."""
    contributors: tuple[Part, ...]
    further_back: tuple[Part, ...]
    """Who made the versions that the members were started from, without those that are contributors already."""


def shares(top: str, versions: Mapping[str, Brief]) -> Shares:
    """Shares in a version.

    Args:
        top: its id.
        versions: its ancestors, itself included, as far back as they are known.
    """
    found: dict[str, float] = defaultdict(float)
    for id, share in _in_order(top, versions):
        one = versions[id]
        total = sum(parent.coefficient for parent in one.parents)
        inside = [parent for parent in one.parents if parent.version in versions]
        if one.rule == "combine" and inside and total:
            for parent in inside:
                share[parent.version] += share[id] * parent.coefficient / total
        else:
            found[id] = share[id]
    members = sorted((Member(version=versions[id], share=value) for id, value in found.items()), key=_order)
    near = {one.version.id for one in members}
    back = [one for one in _ancestors(near, versions) if one.rule != "combine" and one.id not in near]
    contributors = _grouped([(one.version, one.share) for one in members])
    known = {one.node for one in contributors}
    return Shares(
        members=tuple(members),
        contributors=contributors,
        further_back=tuple(one for one in _grouped([(one, None) for one in back]) if one.node not in known),
    )


def _in_order(top: str, versions: Mapping[str, Brief]) -> list[tuple[str, dict[str, float]]]:
    """The averages and members below a version, each after everything that it is a part of, with the shares so far."""
    order: list[str] = []
    seen: set[str] = set()
    waiting: list[tuple[str, bool]] = [(top, False)]
    while waiting:
        id, left = waiting.pop()
        if left:
            order.append(id)
        elif id not in seen:
            seen.add(id)
            waiting.append((id, True))
            if versions[id].rule == "combine":
                waiting += [(one.version, False) for one in versions[id].parents if one.version in versions]
    share: dict[str, float] = defaultdict(float, {top: 1.0})
    return [(id, share) for id in reversed(order)]


def _ancestors(ids: set[str], versions: Mapping[str, Brief]) -> list[Brief]:
    seen: dict[str, Brief] = {}
    waiting = [parent.version for id in sorted(ids) for parent in versions[id].parents]
    while waiting:
        id = waiting.pop()
        if id in versions and id not in seen:
            seen[id] = versions[id]
            waiting += [parent.version for parent in versions[id].parents]
    return list(seen.values())


def _grouped(parts: Sequence[tuple[Brief, float | None]]) -> tuple[Part, ...]:
    names: dict[str | None, str] = {}
    sums: dict[str | None, list[float | None]] = defaultdict(list)
    for version, share in parts:
        names.setdefault(version.node, version.by)
        sums[version.node].append(share)
    rows = [
        Part(
            name=names[node],
            node=node,
            share=None if None in values else sum(value or 0.0 for value in values),
            versions=len(values),
        )
        for node, values in sums.items()
    ]
    return tuple(sorted(rows, key=lambda one: (-(one.share or 0.0), one.name)))


def _order(one: Member) -> tuple[float, str]:
    return -one.share, one.version.id
