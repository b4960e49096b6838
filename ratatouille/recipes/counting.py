"""Shared parts of studies: their runs, averages of them, and counting on both sides (docs/method.md §4).

Nodes make mixtures and averages themselves, from digests and coefficients; none becomes a version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ratatouille.exchange.assignment import Cell, KeepLast, Mixture, Weighted
from ratatouille.exchange.receipt import Comparison
from ratatouille.recipes.gate import validation_cells
from ratatouille.recipes.mixtures import mean_of
from ratatouille.recipes.outcome import Candidate, Fact
from ratatouille.recipes.questions import Comparing, StartWeights, Training
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Start
from ratatouille.recipes.walk import Walk

DRAWS = 5
"""Random draws of members for each point of a figure over numbers of members or of auxiliary tasks."""
LABEL = 34
"""Characters of a label, to which the walk adds what is counted on."""
TOGETHER = 40
"""Means in one question at most, so that an order stays small and replicas share the work."""


@dataclass(frozen=True)
class SideCounts:
    """A comparison on all holdings of one side: the training domains' validation splits, or the held-out domains."""

    parts: tuple[Comparison, ...]
    """One for each holding; their counts are summed within a domain."""


@dataclass(frozen=True)
class PoolMember:
    """A target run in a pool: where it started from, and its number."""

    start: str
    """`foundation`, or the name of a member of the round's pool."""
    number: int


@dataclass(frozen=True)
class Pool:
    """Runs and what is counted of all of them together, with all pairs; members are the networks in order."""

    members: tuple[PoolMember, ...]
    validation: SideCounts
    held_out: SideCounts


@dataclass(frozen=True)
class Average:
    """The uniform mean of some members of a pool; `members` are their places in it."""

    members: tuple[int, ...]


@dataclass(frozen=True)
class Averages:
    """Means of members of a pool: network i of the comparisons is the mean `means[i]`."""

    means: tuple[Average, ...]
    validation: SideCounts
    held_out: SideCounts


@dataclass(frozen=True)
class End:
    """An end of a line of mixtures: weights, their version, its own counts if it is one of the target, and the version
    of its head where that is another one.
    """

    featurizer: str
    head: str
    version: str
    own: Candidate | None = None
    head_version: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that its parts are of."""
        return (self.version,) if self.head_version is None else (self.version, self.head_version)


def run_of(walk: Walk, recipe: str, number: int) -> Candidate | None:
    """Run `number` of a recipe, or None while it is missing."""
    return walk.run(recipe_named(recipe), number, walk.round.trial)


def is_left_out(walk: Walk, recipe: str, number: int) -> bool:
    """Whether run `number` of a recipe is there and was not admitted: a study goes without it."""
    return walk.left_out(recipe_named(recipe), number, walk.round.trial) is not None


def start_of(walk: Walk, name: str, number: int) -> Start | None:
    """Where run `number` begins: with the member of the pool of this name, or with the foundation."""
    for one in walk.round.pool:
        if one.name == name:
            return walk.start(one, number)
    return walk.round.foundation


def stopped(walk: Walk, start: Start | None, number: int, steps: int) -> tuple[str, Fact | None]:
    """Target run `number` from a start, stopped after so many steps."""
    trial = walk.round.trial
    head = walk.shared_head(trial)[1]
    if start is None or head is None or head.head is None or head.version is None:
        return "", None
    label = f"run {number + 1} stopped at step {steps}"
    share = walk.holding(number)
    work = Training(walk.round.task, share, walk.round.target, number, trial, KeepLast(), label, "study", steps)
    return walk.fine_tune(work, StartWeights(start, head.head, head.version))


def end_of(run: Candidate) -> End:
    """A run to be mixed."""
    return End(str(run.featurizer), str(run.head), str(run.version), run)


def alone(end: End) -> Mixture:
    """A network by itself."""
    return Mixture(featurizer=(Weighted(part=end.featurizer),), head=(Weighted(part=end.head),))


def both_sides(walk: Walk, asked: Comparing, validate: bool = True) -> tuple[SideCounts | None, SideCounts | None]:
    """A comparison on the validation splits of all training holdings, if it is wanted, and on all held-out holdings."""
    trial = walk.round.trial
    validation = [
        walk.compare(asked, share, validation_cells(share), trial)
        for share in (walk.round.training if validate else ())
    ]
    held_out = [
        walk.compare(asked, share, tuple(Cell(domain=domain, split="all") for domain in share.domains), trial)
        for share in walk.round.evaluation
    ]
    return _counted(validation), _counted(held_out)


def _counted(parts: Sequence[Comparison | None]) -> SideCounts | None:
    known = tuple(part for part in parts if part is not None)
    return SideCounts(known) if len(known) == len(parts) else None


def averages(
    walk: Walk, runs: Sequence[Candidate], means: Sequence[Average], label: str, pairs: bool = False
) -> Averages | None:
    """What means of runs classify correctly; the nodes make them, none becomes a version."""
    size = len(means) if pairs else TOGETHER
    sides = []
    for first in range(0, len(means), size or 1):
        some = [[runs[place] for place in mean.members] for mean in means[first : first + size]]
        networks = tuple(mean_of(members) for members in some)
        versions = tuple(dict.fromkeys(str(run.version) for members in some for run in members))
        asked = Comparing(networks, versions, f"{label} from {first + 1}", pairs=pairs)
        sides.append(both_sides(walk, asked))
    validation = _joined([side[0] for side in sides])
    held_out = _joined([side[1] for side in sides])
    return None if validation is None or held_out is None else Averages(tuple(means), validation, held_out)


def _joined(pieces: Sequence[SideCounts | None]) -> SideCounts | None:
    """Comparisons of several lots of networks on the same holdings as one."""
    known = [piece for piece in pieces if piece is not None]
    if len(known) < len(pieces):
        return None
    if len(known) == 1:
        return known[0]
    lots = zip(*(piece.parts for piece in known), strict=True)
    return SideCounts(tuple(Comparison(networks=tuple(row for part in lot for row in part.networks)) for lot in lots))


def pool_of(walk: Walk, members: Sequence[PoolMember], ends: Sequence[End], label: str) -> Pool | None:
    """Networks counted together, with all pairs and how alike their features are."""
    networks = tuple(alone(end) for end in ends)
    versions = tuple(dict.fromkeys(end.version for end in ends))
    asked = Comparing(networks, versions, label, pairs=True, features=True)
    validation, held_out = both_sides(walk, asked)
    return None if validation is None or held_out is None else Pool(tuple(members), validation, held_out)
