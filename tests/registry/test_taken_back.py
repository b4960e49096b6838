"""Weights that were taken back do not come again as somebody's import; over every implementation."""

import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Import
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from registry.records import Result
from tests.registry.world import NETWORK, PETS, World, featurizer, head


def imported(world: World, start: Result, body: int, top: int | None, signer: Signer | None = None) -> Result:
    first, one = world.file(featurizer(body))
    files = {first: one}
    second = None
    if top is not None:
        second, two = world.file(head(top))
        files[second] = two
    work = Import(
        architecture=NETWORK.digest,
        featurizer=first,
        head=second,
        task=PETS.digest if top is not None else None,
        source="trained elsewhere",
    )
    who = signer or world.signer
    receipt = Receipt(assignment=work, parents=(str(start.version),), node=who.node, featurizer=first, head=second)
    return world.registry.weights.push(who.seal(receipt), files)


def test_the_weights_of_a_retracted_version_are_refused_whole_and_with_another_head(world: World) -> None:
    start = world.probed()
    bad = world.tuned(start, 2)
    world.maintainer.retract(str(bad.version), "wrong labels")
    for top in (2, 3, None):
        with pytest.raises(Refusal, match=f"this featurizer is that of version {str(bad.version)[:12]}…, which was"):
            imported(world, start, 2, top)
    assert imported(world, start, 22, 2).version is not None  # trained again


def test_a_retracted_head_on_the_foundation_is_refused_and_the_foundation_is_not(world: World) -> None:
    start = world.probed()
    world.maintainer.retract(str(start.version), "wrong labels")
    base = Result(
        work_id="0" * 64, version=world.registry.versions.show(str(start.version)).entry.version.parents[0].version
    )
    with pytest.raises(Refusal, match="these weights are that of version"):
        imported(world, base, 0, 1)
    assert imported(world, base, 0, 9).version is not None


def test_an_import_that_was_taken_back_does_not_come_again_by_itself(world: World) -> None:
    start = world.probed()
    made = imported(world, start, 5, 5)
    world.maintainer.retract(str(made.version), "its license")
    with pytest.raises(Refusal, match=r"was retracted|was taken back"):
        imported(world, start, 5, 5)


def test_weights_that_a_standing_version_has_too_are_not_refused(world: World) -> None:
    start = world.probed()
    first = world.tuned(start, 2)
    twin = world.work(*world.fine_tune(start, 3, body=featurizer(2), top=head(2)))
    world.maintainer.retract(str(first.version), "wrong labels")
    assert imported(world, twin, 2, 2).version is not None
