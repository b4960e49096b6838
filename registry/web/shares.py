"""Shares of contributors in a version: the registry's shares added up by key, and contributors further back.

Trainings end the walk of shares: what a training started from has no coefficient in it, but its influence remains; so
who made the starts is listed apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ratatouille.record import Record
from registry.presentation.shares import total_share
from registry.records import Contribution
from registry.web.brief import Brief, brief


class Member(Record):
    """One version that an average is made of."""

    version: Brief
    share: float
    """Of 1; the parts of a mix may be negative."""
    exact: str | None
    """The share as a fraction, where it is one that can be read."""
    untrained: bool = False
    """Whether it kept step 0: its weights are those that it started from."""


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


def shares(contributions: Sequence[Contribution], ancestors: Mapping[str, Brief]) -> Shares:
    """What a version is made of.

    Args:
        contributions: what the registry says of its shares.
        ancestors: it and what it was made from, as far back as that is known.
    """
    members = [
        Member(version=brief(one.entry), share=one.share, exact=one.exact, untrained=one.untrained)
        for one in contributions
    ]
    near = {one.version.id for one in members}
    back = [one for one in ancestors.values() if one.rule != "combine" and one.id not in near]
    contributors = grouped([(brief(one.entry), one) for one in contributions])
    known = {one.node for one in contributors}
    return Shares(
        members=tuple(members),
        contributors=contributors,
        further_back=tuple(one for one in grouped([(one, None) for one in back]) if one.node not in known),
    )


def grouped(parts: Sequence[tuple[Brief, Contribution | None]]) -> tuple[Part, ...]:
    """Shares added up by key, the largest first; a version without a contribution stands further back."""
    names: dict[str | None, str] = {}
    found: dict[str | None, list[Contribution | None]] = defaultdict(list)
    for version, contribution in parts:
        names.setdefault(version.node, version.by)
        found[version.node].append(contribution)
    rows = [Part(name=names[node], node=node, share=_sum(ones), versions=len(ones)) for node, ones in found.items()]
    return tuple(sorted(rows, key=lambda one: (-(one.share or 0.0), one.name)))


def _sum(found: Sequence[Contribution | None]) -> float | None:
    known = [one for one in found if one is not None]
    return float(total_share(known)) if len(known) == len(found) else None
