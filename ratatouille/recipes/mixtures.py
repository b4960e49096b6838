"""Networks that a node makes itself from digests and coefficients, for questions of the kind `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface

from ratatouille.exchange.assignment import Mixture, Weighted
from ratatouille.recipes.outcome import Candidate


class Parts(Interface):
    """Digests of both parts of a network."""

    @property
    def featurizer(self) -> str: ...
    @property
    def head(self) -> str: ...


def mean_of(members: Sequence[Candidate]) -> Mixture:
    """The uniform mean of members."""
    return Mixture(
        featurizer=tuple(Weighted(part=str(member.featurizer)) for member in members),
        head=tuple(Weighted(part=str(member.head)) for member in members),
    )


def mix(ends: Sequence[Parts], shares: Sequence[float]) -> Mixture:
    """Σ shares · ends; one of which there is nothing is no term, and one shared part stays what it is, to the bit."""
    weighed = [(end, share) for end, share in zip(ends, shares, strict=True) if share]
    return Mixture(
        featurizer=_summed([(end.featurizer, share) for end, share in weighed]),
        head=_summed([(end.head, share) for end, share in weighed]),
    )


def _summed(terms: Sequence[tuple[str, float]]) -> tuple[Weighted, ...]:
    total: dict[str, float] = {}
    for part, share in terms:
        total[part] = total.get(part, 0.0) + share
    return tuple(Weighted(part=part, coefficient=share if len(total) > 1 else 1) for part, share in total.items())
