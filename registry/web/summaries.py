"""Versions in brief: one version, the versions of a round, a tree of ancestors, and the shares in an average.

The walk of shares ends at trainings. A training has no coefficient for its start, but the influence of the
start remains, so the makers of the starts are listed apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratatouille.exchange.change import ReviewState
from ratatouille.exchange.version import Parent
from ratatouille.record import Digest, Record
from registry.presentation.kinds import KINDS, colour_of, recipe_text, score_text
from registry.presentation.lineage import lines, total_share
from registry.records import AliasMove, Contribution, Entry, EntryScore, LineageRow, RecipeResult, RoundRecord
from registry.services.registry import Registry

MOST_IN_ROUND = 600
"""Versions of one round that are drawn; the round's own page lists all."""
MOST_OUTSIDE = 12
MOST_ALIASES = 50
MOST_MOVES = 100
"""Moves of one alias that are looked through for a round's releases."""
MOST_LINES = 300
"""Lines of a tree; the rest is counted."""


class VersionSummary(Record):
    """One version among others."""

    id: Digest
    rule: str
    purpose: str | None
    parts: str
    """`both`, or `featurizer` for weights without a head."""
    state: str
    task: str | None
    contributor: str | None
    """What the node calls itself; None for what the registry made."""
    name_shared: bool = False
    """Whether another key has that name too."""
    node: str | None
    round: str | None
    created: float
    message: str
    names: tuple[str, ...]
    """Aliases that point here, and tags."""
    not_evaluated: bool = False
    """Whether a retraction moved an alias here, and the version was not counted since."""
    review: ReviewState | None = None
    """Whether it may enter averages; None for a version that was not reviewed."""
    task_kind: str | None = None
    recipes: tuple[RecipeResult, ...] = ()
    """Recipes of rounds that ended here."""
    score: EntryScore | None = None
    parents: tuple[Parent, ...]

    @property
    def made(self) -> str:
        """Its kind in words: `average of 4 (uniform)`, `training` …"""
        if self.rule != "combine":
            return KINDS.get(self.rule, self.rule)
        count = len(self.parents)
        purpose = f" ({self.purpose.replace('_', ' ')})" if self.purpose else ""
        return f"average of {count}{purpose}"

    @property
    def colour(self) -> str:
        """The name of its colour; shapes go by its rule."""
        return colour_of(self.rule, self.task_kind)

    @property
    def recipe(self) -> str:
        """The recipe that ended here, in words; empty where no report names it."""
        return recipe_text(self.recipes)

    @property
    def scored(self) -> str:
        """Its score in words; empty where it was not counted."""
        return score_text(self.score)

    @property
    def by(self) -> str:
        """Its maker: a name, with the key where others have that name too."""
        if self.contributor and self.node and self.name_shared:
            return f"{self.contributor} ({self.node[:10]})"
        return self.contributor or (self.node[:10] if self.node else "registry")


def summary(entry: Entry) -> VersionSummary:
    """An entry of the history in brief."""
    version = entry.version
    return VersionSummary(
        id=entry.id,
        rule=version.rule.name,
        purpose=version.rule.purpose,
        parts="featurizer" if version.head is None else "both",
        state=entry.state,
        task=entry.task_name,
        contributor=entry.contributor,
        name_shared=entry.name_shared,
        node=entry.node,
        round=entry.round,
        created=entry.created,
        message=entry.message,
        names=entry.aliases,
        not_evaluated=entry.not_evaluated,
        review=entry.review,
        task_kind=entry.task_kind,
        recipes=entry.recipes,
        score=entry.score,
        parents=version.parents,
    )


class RoundSummary(Record):
    """One round among others."""

    id: str
    name: str
    state: str
    reason: str
    created: float
    changed: float


def round_facts(record: RoundRecord) -> dict[str, Any]:
    """The values of a `RoundSummary`."""
    return record.model_dump(include=set(RoundSummary.model_fields))


def sources(registry: Registry, versions: Sequence[VersionSummary]) -> list[VersionSummary]:
    """Versions from elsewhere that these were made from, at most a few."""
    here = {one.id for one in versions}
    wanted = dict.fromkeys(parent.version for one in versions for parent in one.parents if parent.version not in here)
    return [one for id in list(wanted)[:MOST_OUTSIDE] for one in alone(registry, id)]


def alone(registry: Registry, revision: str) -> Iterable[VersionSummary]:
    """One version, without its evaluations."""
    return [summary(row.entry) for row in registry.versions.lineage(revision, depth=0)[:1]]


def recent_moves(registry: Registry, each: int = MOST_MOVES) -> list[AliasMove]:
    """The last moves of the aliases, the latest first."""
    names = registry.releases.aliases(limit=MOST_ALIASES)
    moves = [move for name in names for move in registry.releases.alias_history(name, limit=each)]
    return sorted(moves, key=lambda move: -move.number)


@dataclass
class Branch:
    """One ancestor with what it was made from."""

    version: VersionSummary
    share: str
    """Its part of the average above it; empty below a training."""
    again: bool = False
    """Whether its own ancestors are shown elsewhere in the tree."""
    branches: list[Branch] = field(default_factory=list)


def tree(rows: Sequence[LineageRow], most: int = MOST_LINES) -> tuple[Branch, int]:
    """The tree of a walk, as `Versions.lineage` returns it, and how many lines of it were left out."""
    branches: list[Branch] = []
    left_out = 0
    for line in lines(rows):
        if len(branches) >= most:
            left_out += 1
            continue
        branch = Branch(summary(line.entry), line.share, line.again)
        if line.above >= 0:
            branches[line.above].branches.append(branch)
        branches.append(branch)
    return branches[0], left_out


class MemberShare(Record):
    """One version that an average is made of."""

    version: VersionSummary
    share: float
    """Of 1; the parts of a mix may be negative."""
    exact: str | None
    """The share as a fraction, where it is one that can be read."""
    untrained: bool = False
    """Whether it kept step 0: its weights are those that it started from."""


class ContributorShare(Record):
    """A contributor whose versions are part of an average, or were started from."""

    name: str
    node: str | None
    share: float | None
    """The sum over their members; None for those further back."""
    versions: int


class VersionShares(Record):
    """The composition of a version."""

    members: tuple[MemberShare, ...]
    """The trained or imported versions in the average, the largest share first; the version itself if it is none."""
    contributors: tuple[ContributorShare, ...]
    further_back: tuple[ContributorShare, ...]
    """Who made the versions that the members were started from, without those that are contributors already."""


def shares(contributions: Sequence[Contribution], ancestors: Mapping[str, VersionSummary]) -> VersionShares:
    """The composition of a version.

    Args:
        contributions: what the registry says of its shares.
        ancestors: it and what it was made from, as far back as that is known.
    """
    members = [
        MemberShare(version=summary(one.entry), share=one.share, exact=one.exact, untrained=one.untrained)
        for one in contributions
    ]
    near = {one.version.id for one in members}
    back = [one for one in ancestors.values() if one.rule != "combine" and one.id not in near]
    contributors = grouped([(summary(one.entry), one) for one in contributions])
    known = {one.node for one in contributors}
    return VersionShares(
        members=tuple(members),
        contributors=contributors,
        further_back=tuple(one for one in grouped([(one, None) for one in back]) if one.node not in known),
    )


def grouped(parts: Sequence[tuple[VersionSummary, Contribution | None]]) -> tuple[ContributorShare, ...]:
    """Shares added up by key, the largest first; a version without a contribution stands further back."""
    names: dict[str | None, str] = {}
    found: dict[str | None, list[Contribution | None]] = defaultdict(list)
    for version, contribution in parts:
        names.setdefault(version.node, version.by)
        found[version.node].append(contribution)
    rows = [
        ContributorShare(name=names[node], node=node, share=_sum(ones), versions=len(ones))
        for node, ones in found.items()
    ]
    return tuple(sorted(rows, key=lambda one: (-(one.share or 0.0), one.name)))


def _sum(found: Sequence[Contribution | None]) -> float | None:
    known = [one for one in found if one is not None]
    return float(total_share(known)) if len(known) == len(found) else None
