"""Two versions side by side, over every implementation."""

from __future__ import annotations

import numpy as np
import pytest

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Compare, Import, Mixture, Weighted
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair, Receipt
from ratatouille.exchange.version import Combination, Parent
from ratatouille.weights.architecture import Part
from registry.records import Difference, PartDifference, Result
from tests.registry.world import FINGERPRINT, NETWORK, PETS, SKETCHES, World, featurizer, head


def diff(world: World, first: Result, second: Result) -> Difference:
    return world.registry.versions.diff(str(first.version), str(second.version))


def part(found: Difference, name: Part) -> PartDifference:
    return next(one for one in found.parts if one.part == name)


def mean(world: World, *members: Result) -> Result:
    return world.registry.work.combine(Combination(parents=tuple(Parent(version=str(one.version)) for one in members)))


def test_each_tensor_says_how_far_it_moved(world: World) -> None:
    start = world.probed()
    body = featurizer(2)
    moved = body | {"conv.weight": body["conv.weight"].copy()}
    moved["conv.weight"].flat[0] += np.float32(0.5)
    one = world.work(*world.fine_tune(start, 2, body=body, top=head(2)))
    two = world.work(*world.fine_tune(start, 3, body=moved, top=head(2)))
    found = diff(world, one, two)
    assert (found.first.id, found.second.id) == (one.version, two.version)
    body_part = part(found, "featurizer")
    assert [(tensor.name, tensor.buffer, tensor.changed) for tensor in body_part.tensors] == [
        ("conv.weight", False, 1 / 36),
        ("bn.running_mean", True, 0.0),
        ("bn.num_batches_tracked", True, 0.0),
    ]
    norm = np.linalg.norm(body["conv.weight"].astype(np.float64))
    assert body_part.tensors[0].distance == pytest.approx(0.5 / norm, rel=1e-6)
    # the running means are 1, 2, 3, and the counter of batches is no weight
    assert body_part.distance == pytest.approx(0.5 / np.sqrt(norm**2 + 14), rel=1e-6)
    assert body_part.largest == pytest.approx(0.5)
    assert (body_part.elements, body_part.changed) == (39, 1 / 39)
    top = part(found, "head")
    assert (top.same, top.distance, top.elements, top.tensors) == (True, 0.0, 8, ())


def test_evaluations_stand_side_by_side(world: World) -> None:
    start = world.probed()
    one, two = world.tuned(start, 2), world.tuned(start, 3)
    for result, confusion in ((one, ((5, 5), (5, 5))), (two, ((9, 1), (1, 9)))):
        world.work(world.evaluation(result, confusion), {})
    rows = diff(world, one, two).evaluations
    assert [(row.split, row.domain, row.images) for row in rows] == [
        ("test", "sketch", (20, 20)),
        ("validation", "photo", (12, 12)),
    ]
    gap = rows[0].accuracy
    assert (gap.first, gap.second, gap.difference) == (0.5, 0.9, 0.4)
    assert gap.low is not None
    assert 0 < gap.low < 0.4
    assert not rows[0].paired


def test_a_comparison_of_the_two_makes_the_interval_paired_whichever_comes_first(world: World) -> None:
    start = world.probed()
    one, two = world.tuned(start, 2), world.tuned(start, 3)
    networks = [
        Mixture(featurizer=(Weighted(part=str(each.featurizer)),), head=(Weighted(part=str(each.head)),))
        for each in (two, one)
    ]
    work = Compare(
        architecture=NETWORK.digest,
        task=PETS.digest,
        fingerprint=FINGERPRINT,
        image_size=8,
        networks=tuple(networks),
        cells=(SKETCHES,),
        pairs=True,
    )
    counted = [Evaluation(cell=SKETCHES, confusion=matrix) for matrix in (((9, 1), (1, 9)), ((5, 5), (5, 5)))]
    pair = Pair(cell=SKETCHES, first=0, second=1, both=10, only_first=8, only_second=0, neither=2)
    comparison = Comparison(networks=((counted[0],), (counted[1],)), pairs=(pair,))
    world.work(Receipt(assignment=work, node=world.signer.node, comparison=comparison), {})
    for result, evaluation in zip((two, one), counted, strict=True):
        world.work(world.evaluation(result, evaluation.confusion), {})
    for first, second, sign in ((one, two, 1), (two, one, -1)):
        row = diff(world, first, second).evaluations[0]
        assert row.paired
        assert row.accuracy.difference == pytest.approx(sign * 0.4)
        # Agresti and Min: (8.5 − 0.5) / 22 ± 1.96 √(9 − 8² / 22) / 22
        assert row.accuracy.low == pytest.approx(sign * 8 / 22 - 1.96 * np.sqrt(9 - 64 / 22) / 22)


def test_what_both_come_from_is_found(world: World) -> None:
    start = world.probed()
    one, two, three = (world.tuned(start, seed) for seed in (2, 3, 4))
    left, right = mean(world, one, two), mean(world, two, three)
    found = diff(world, left, right).relation
    assert (found.ancestor and found.ancestor.id, found.steps) == (two.version, (1, 1))
    found = diff(world, left, start).relation
    assert (found.ancestor and found.ancestor.id, found.steps) == (start.version, (2, 0))
    found = diff(world, one, one).relation
    assert (found.ancestor and found.ancestor.id, found.steps) == (one.version, (0, 0))
    assert diff(world, one, world.foundation(9)).relation.ancestor is None


def test_other_architectures_and_heads_are_said_and_the_rest_is_compared(world: World) -> None:
    start = world.probed()
    bare = world.foundation()
    found = diff(world, bare, start)
    assert part(found, "featurizer").same
    assert part(found, "head").reason == f"only {str(start.version)[:12]}… has one"
    assert part(diff(world, bare, world.foundation(7)), "head").reason == "neither version has one"

    cars = PETS.model_copy(update={"name": "cars"})
    world.registry.definitions.define_task(cars)
    digest, path = world.file(head(5))
    work = Import(
        architecture=NETWORK.digest, featurizer=str(bare.featurizer), task=cars.digest, head=digest, source="elsewhere"
    )
    receipt = Receipt(assignment=work, node=world.signer.node, featurizer=bare.featurizer, head=digest)
    other = world.registry.weights.push(world.seal(receipt), {digest: path})
    found = diff(world, start, other)
    assert part(found, "featurizer").same
    assert part(found, "head").reason == "the heads are for different tasks (pets and cars)"

    wide = NETWORK.model_copy(update={"name": "wide", "padding": "same"})
    world.registry.definitions.define_architecture(wide)
    work = Import(architecture=wide.digest, featurizer=str(bare.featurizer), source="elsewhere")
    strange = world.registry.weights.push(
        world.seal(Receipt(assignment=work, node=world.signer.node, featurizer=bare.featurizer)), {}
    )
    found = diff(world, start, strange)
    assert [one.reason.partition(",")[0] for one in found.parts] == [
        "the versions have different architectures (tiny and wide)"
    ] * 2
    assert [(row.domain, row.accuracy.second) for row in found.evaluations] == []


def test_weights_are_left_alone_where_nobody_asks_for_them(world: World) -> None:
    start = world.probed()
    one, two = (str(world.tuned(start, seed).version) for seed in (2, 3))
    whole, without = world.registry.versions.diff(one, two), world.registry.versions.diff(one, two, weights=False)
    assert [found.part for found in whole.parts] == ["featurizer", "head"]
    assert without == whole.model_copy(update={"parts": ()})


def test_a_revision_that_is_none_is_refused(world: World) -> None:
    start = world.probed()
    with pytest.raises(Refusal, match="nobody"):
        world.registry.versions.diff(str(start.version), "nobody")
