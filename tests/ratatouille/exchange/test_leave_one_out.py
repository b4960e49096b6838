"""Averages of the others, as questions and as networks."""

from fractions import Fraction

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Weighted
from ratatouille.exchange.leave_one_out import Parts, flattened, is_plain_mean, mixture, network, without
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256

A, B, C = (sha256(name) for name in (b"a", b"b", b"c"))
PARTS = {id: Parts(sha256(f"{id} featurizer".encode()), sha256(f"{id} head".encode())) for id in (A, B, C)}


def mean(*counts: int) -> Combination:
    return Combination(
        parents=tuple(Parent(version=id, coefficient=n) for id, n in zip((A, B, C), counts, strict=True))
    )


def test_a_mean_without_a_member_is_a_network_of_the_others_with_their_counts() -> None:
    made = mixture(without(mean(1, 2, 3), [B]), PARTS)
    assert made is not None
    assert made.featurizer == (
        Weighted(part=PARTS[A].featurizer, coefficient=1),
        Weighted(part=PARTS[C].featurizer, coefficient=3),
    )
    assert [one.part for one in made.head] == [PARTS[A].head, PARTS[C].head]
    assert network(PARTS[A]).head == (Weighted(part=PARTS[A].head),)
    with pytest.raises(Refusal, match="none of its parents is left"):
        without(mean(1, 1, 1), [A, B, C])


def test_a_trimmed_mean_is_no_network_of_its_parts() -> None:
    trimmed = mean(1, 1, 1).model_copy(update={"method": "trimmed_mean", "parameters": {"share": 0.0}})
    assert not is_plain_mean(trimmed)
    assert mixture(trimmed, PARTS) is None


def test_shares_become_the_least_counts_or_are_refused() -> None:
    made = flattened({A: Fraction(1, 4), B: Fraction(1, 4), C: Fraction(1, 2)})
    assert {one.version: one.coefficient for one in made.parents} == {A: 1, B: 1, C: 2}
    with pytest.raises(Refusal, match="no common counts"):
        flattened({A: Fraction(1, 10**7), B: 1 - Fraction(1, 10**7)})
