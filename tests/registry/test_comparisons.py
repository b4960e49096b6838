"""Comparisons in the registry: they make no version, their counts are found again, and what does not fit is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Mixture, Weighted
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair, Receipt
from registry.records import Result
from tests.registry.world import FINGERPRINT, NETWORK, PETS, World

CELL = Cell(domain="sketch", split="test")
COUNTED = (Evaluation(cell=CELL, confusion=((3, 1), (0, 4))),)
PAIR = Pair(cell=CELL, first=0, second=1, both=5, only_first=2, only_second=0, neither=1, cka=0.5)


def mixture(*versions: Result) -> Mixture:
    return Mixture(
        featurizer=tuple(Weighted(part=str(one.featurizer)) for one in versions),
        head=tuple(Weighted(part=str(one.head)) for one in versions),
    )


def comparison(world: World, *networks: Mixture, **changes: Any) -> Receipt:
    """A comparison of networks, with ensemble and pairs, and its answer."""
    work = Compare(
        architecture=NETWORK.digest,
        task=PETS.digest,
        fingerprint=FINGERPRINT,
        image_size=8,
        networks=networks,
        cells=(CELL,),
        ensemble=True,
        pairs=True,
    )
    found = Comparison(networks=(COUNTED,) * len(networks), ensemble=COUNTED, pairs=(PAIR,))
    return Receipt(assignment=work, node=world.signer.node, comparison=found.model_copy(update=changes))


@pytest.fixture
def two(world: World) -> tuple[Result, Result]:
    start = world.probed()
    return world.tuned(start, 2), world.tuned(start, 3)


def test_a_comparison_makes_no_version_and_its_counts_are_the_answer(world: World, two: tuple[Result, Result]) -> None:
    before = len(world.registry.versions.log(limit=100))
    receipt = comparison(world, mixture(two[0]), mixture(*two))
    pushed = world.work(receipt, {})
    assert pushed.version is None
    assert pushed.comparison == receipt.comparison
    assert world.registry.work.results([receipt.work_id])[receipt.work_id].comparison == receipt.comparison
    assert world.registry.weights.push(world.seal(receipt), {}).comparison == receipt.comparison
    assert len(world.registry.versions.log(limit=100)) == before
    assert any("2 networks compared" in event.text for event in world.registry.rounds.events())


def test_parts_that_belong_to_no_version_are_not_compared(world: World, two: tuple[Result, Result]) -> None:
    strange = Mixture(featurizer=(Weighted(part="ab" * 32),), head=mixture(two[0]).head)
    receipt = comparison(world, mixture(two[0]), strange)
    world.lease(receipt)
    with pytest.raises(Refusal, match="featurizer abababababab… belongs to no version"):
        world.registry.weights.push(world.seal(receipt), {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda good: None, "the answer to a comparison is a comparison"),
        (
            lambda good: good.model_copy(update={"networks": (COUNTED,)}),
            "this receipt counts 1 network; 2 were to be compared",
        ),
        (
            lambda good: good.model_copy(update={"ensemble": ()}),
            "this receipt counts 2 networks; 2 were to be compared",
        ),
        (
            lambda good: good.model_copy(update={"networks": (COUNTED, ())}),
            "fills other cells than were asked for",
        ),
        (
            lambda good: good.model_copy(
                update={"ensemble": (Evaluation(cell=CELL, confusion=((1, 0, 0), (0, 1, 0), (0, 0, 1))),)}
            ),
            "are 3 × 3; task pets has 2 classes",
        ),
        (
            lambda good: good.model_copy(update={"pairs": (PAIR.model_copy(update={"second": 2}),)}),
            "a pair of networks or a cell that the comparison does not have",
        ),
        (
            lambda good: good.model_copy(update={"pairs": (PAIR.model_copy(update={"both": 6}),)}),
            "do not add up to the images of its cell",
        ),
    ],
)
def test_counts_that_do_not_fit_the_question_are_refused(
    world: World,
    two: tuple[Result, Result],
    change: Callable[[Comparison], Comparison | None],
    sentence: str,
) -> None:
    receipt = comparison(world, mixture(two[0]), mixture(*two))
    assert receipt.comparison is not None
    receipt = receipt.model_copy(update={"comparison": change(receipt.comparison)})
    world.lease(receipt)
    with pytest.raises(Refusal, match=sentence):
        world.registry.weights.push(world.seal(receipt), {})
    assert not world.registry.work.results([receipt.work_id])
