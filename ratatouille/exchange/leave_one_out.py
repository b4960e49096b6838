"""Leave-one-out: what an average would be without some of its members, as a question and as a network.

Nothing is subtracted from a mean: the average of the others is made anew from their own files, in float64 with one
rounding. A weighted mean is a `Mixture`, which a node makes to the same bits as the registry; another method needs a
combination in the registry.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import NamedTuple

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Mixture, Weighted
from ratatouille.exchange.version import Combination, Parent
from ratatouille.weights.methods import MOST_COUNTED, method_named

MOST_TERMS = 1000
"""Members that a mixture may have."""


class Parts(NamedTuple):
    """The digests of a network's two parts."""

    featurizer: str
    head: str


def without(whole: Combination, gone: Collection[str]) -> Combination:
    """The average of the other members, by the same method.

    Raises:
        Refusal: saying why there is none: nothing or too little is left, or the whole is a mix.
    """
    return whole.without(dict.fromkeys(gone))


def flattened(shares: Mapping[str, Fraction]) -> Combination:
    """An average of averages as one mean of its members: shares become the least whole numbers.

    Raises:
        Refusal: for shares whose numbers are too large for a record.
    """
    whole = math.lcm(*(share.denominator for share in shares.values()))
    counts = {version: int(share * whole) for version, share in shares.items()}
    divisor = math.gcd(*counts.values())
    if max(counts.values()) // divisor > MOST_COUNTED:
        raise Refusal(f"the shares of its members have no common counts up to {MOST_COUNTED}")
    parents = (Parent(version=version, coefficient=count // divisor) for version, count in sorted(counts.items()))
    return Combination(parents=tuple(parents), purpose="leave_one_out")


def is_plain_mean(combination: Combination) -> bool:
    """Whether it is a weighted mean by counts, whose members' shares say all of it."""
    counts = all(isinstance(parent.coefficient, int) for parent in combination.parents)
    return counts and method_named(combination.method).linear


def network(parts: Parts) -> Mixture:
    """A version by itself."""
    return Mixture(featurizer=(Weighted(part=parts.featurizer),), head=(Weighted(part=parts.head),))


def mixture(combination: Combination, parts: Mapping[str, Parts]) -> Mixture | None:
    """The network that answers a combination, made by a node; None where its method is no mean.

    Args:
        combination: of both parts.
        parts: of its parents, by version.
    """
    if not is_plain_mean(combination):
        return None
    terms = [(parts[parent.version], parent.coefficient) for parent in combination.parents]
    return Mixture(
        featurizer=tuple(Weighted(part=one.featurizer, coefficient=count) for one, count in terms),
        head=tuple(Weighted(part=one.head, coefficient=count) for one, count in terms),
    )
