"""Pairs of runs: how differently two of them err on the same images, in three measures (docs/method.md §4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Literal

from ratatouille.exchange.receipt import Pair
from ratatouille.recipes.counting import Pool, PoolMember, SideCounts
from ratatouille.record import Record

Kind = Literal["foundation twice", "one auxiliary task twice", "different starts"]
KINDS: tuple[Kind, ...] = ("foundation twice", "one auxiliary task twice", "different starts")
SAME: tuple[Kind, ...] = KINDS[:2]
"""Kinds of pairs that share their start."""


def q_diversity(both: int, only_first: int, only_second: int, neither: int) -> float | None:
    """1 − Q with Q = (N11 N00 − N01 N10) / (N11 N00 + N01 N10): 0 for equal correctness, 1 for independent errors.

    Where the denominator is zero it is 0 for networks that are right on the same images, and else None: one of them is
    right, or wrong, on every image, so that nothing can be said of how their errors go together. None of no image.
    """
    if not both + only_first + only_second + neither:
        return None
    alike, unlike = both * neither, only_first * only_second
    if alike + unlike:
        return 1 - (alike - unlike) / (alike + unlike)
    return 0.0 if only_first + only_second == 0 else None


def ratio_error(both: int, only_first: int, only_second: int, neither: int) -> float | None:
    """(N01 + N10) / N00: different errors for each common one; 2 (N01 + N10) as a share of all where none is common."""
    images = both + only_first + only_second + neither
    if not images:
        return None
    return (only_first + only_second) / neither if neither else 2 * (only_first + only_second) / images


class PairMeasures(Record):
    """A pair of runs on one side: means over domains of what is defined there."""

    q_diversity: float | None
    ratio_error: float | None
    feature_diversity: float | None
    """1 − linear CKA of the features; of several holdings of a domain the mean over their images."""


class PairOfRuns(Record):
    """Two runs."""

    first: int
    second: int
    kind: Kind
    validation: PairMeasures
    held_out: PairMeasures
    gain: float | None = None
    """Held-out accuracy of their average, less the mean of theirs; None where their average was not asked for."""


class KindMean(Record):
    """What a kind of pairs has on average."""

    kind: Kind
    pairs: int
    validation: PairMeasures
    held_out: PairMeasures


def kind_of(first: PoolMember, second: PoolMember) -> Kind:
    """What the starts of two runs have to do with each other."""
    if first.start != second.start:
        return "different starts"
    return "foundation twice" if first.start == "foundation" else "one auxiliary task twice"


def measured_pairs(pool: Pool, gains: dict[tuple[int, int], float]) -> tuple[PairOfRuns, ...]:
    """All pairs of a pool, with what their averages gain where that is known."""
    sides = [_measured(pool.validation), _measured(pool.held_out)]
    nothing = PairMeasures(q_diversity=None, ratio_error=None, feature_diversity=None)
    return tuple(
        PairOfRuns(
            first=first,
            second=second,
            kind=kind_of(pool.members[first], pool.members[second]),
            validation=sides[0].get((first, second), nothing),
            held_out=sides[1].get((first, second), nothing),
            gain=gains.get((first, second)),
        )
        for first in range(len(pool.members))
        for second in range(first + 1, len(pool.members))
    )


def _measured(found: SideCounts) -> dict[tuple[int, int], PairMeasures]:
    """Each pair's measures: counts of several holdings summed within a domain, measures averaged over domains."""
    domains: dict[tuple[int, int], dict[str, list[Pair]]] = {}
    for part in found.parts:
        for pair in part.pairs:
            domains.setdefault((pair.first, pair.second), {}).setdefault(pair.cell.domain, []).append(pair)
    return {
        pair: PairMeasures(
            q_diversity=mean_of([q_diversity(*_summed(parts)) for parts in places.values()]),
            ratio_error=mean_of([ratio_error(*_summed(parts)) for parts in places.values()]),
            feature_diversity=mean_of([_feature_diversity(parts) for parts in places.values()]),
        )
        for pair, places in domains.items()
    }


def _summed(parts: Sequence[Pair]) -> tuple[int, int, int, int]:
    return (
        sum(part.both for part in parts),
        sum(part.only_first for part in parts),
        sum(part.only_second for part in parts),
        sum(part.neither for part in parts),
    )


def _feature_diversity(parts: Sequence[Pair]) -> float | None:
    known = [(sum(_summed([part])), 1 - part.cka) for part in parts if part.cka is not None]
    images = sum(count for count, _ in known)
    return sum(count * value for count, value in known) / images if images else None


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None for nothing."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def means_of_kinds(pairs: Sequence[PairOfRuns]) -> tuple[KindMean, ...]:
    """Means over the pairs of each kind that there is."""

    def side(of: Sequence[PairMeasures]) -> PairMeasures:
        return PairMeasures(
            q_diversity=mean_of([one.q_diversity for one in of]),
            ratio_error=mean_of([one.ratio_error for one in of]),
            feature_diversity=mean_of([one.feature_diversity for one in of]),
        )

    found = []
    for kind in KINDS:
        some = [pair for pair in pairs if pair.kind == kind]
        if some:
            validation, held_out = side([one.validation for one in some]), side([one.held_out for one in some])
            found.append(KindMean(kind=kind, pairs=len(some), validation=validation, held_out=held_out))
    return tuple(found)
