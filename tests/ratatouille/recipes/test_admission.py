"""Verdicts on runs from the geometry of their weights and from counts, without a plan."""

from collections.abc import Mapping

import numpy as np
import pytest

from ratatouille.exchange.assignment import Cell
from ratatouille.exchange.inspection import Gram, Inspected, triangle
from ratatouille.exchange.receipt import Comparison, Evaluation, Pair
from ratatouille.recipes.admission import (
    NOT_COUNTED,
    REFERENCE_LINE,
    START_LINE,
    Claim,
    Moved,
    Verdict,
    cheap_verdicts,
    counted_verdict,
    median_share,
)
from ratatouille.weights.methods import cut_of
from tests.ratatouille.recipes.simulation import Floats, name

RATE, STEPS, ELEMENTS = 1e-3, 20, 50
START = name("start")


def moved(label: str, **more: object) -> Moved:
    values = {"version": name(label), "start": START, "head_start": START, "training": label, "created": 0.0}
    return Moved(**values | {"learning_rate": RATE, "steps": STEPS} | more)  # type: ignore[arg-type]


def inspected(featurizers: Mapping[str, Floats], heads: Mapping[str, Floats] | None = None) -> Inspected:
    def gram(vectors: Mapping[str, Floats]) -> Gram:
        rows = np.stack(list(vectors.values()))
        return Gram(ids=tuple(vectors), elements=rows.shape[1], products=triangle((rows @ rows.T).tolist()))

    return Inspected(featurizer=gram(featurizers), head=gram(heads or featurizers))


def honest(count: int) -> dict[str, Floats]:
    generator = np.random.RandomState(0)
    found = {name(f"run {number}"): 3e-3 * generator.standard_normal(ELEMENTS) for number in range(count)}
    return {START: 0.1 * generator.standard_normal(ELEMENTS)} | {id: update + 0.0 for id, update in found.items()}


def world(count: int) -> tuple[dict[str, Floats], list[Moved]]:
    """A start and honest runs, which moved a little from it."""
    vectors = honest(count)
    for id in vectors.keys() - {START}:
        vectors[id] = vectors[id] + vectors[START]
    return vectors, [moved(f"run {number}") for number in range(count)]


def verdicts(vectors: Mapping[str, Floats], runs: list[Moved]) -> dict[str, Verdict]:
    return cheap_verdicts(inspected(vectors), runs)


def test_honest_runs_pass_the_checks_of_their_weights() -> None:
    assert verdicts(*world(9)) == {}
    assert verdicts(*world(2)) == {}


@pytest.mark.parametrize("factor", [100.0, -100.0, 3e38])
def test_weights_beyond_what_the_protocol_can_do_are_rejected_even_without_peers(factor: float) -> None:
    vectors, runs = world(2)
    vectors[name("run 1")] = factor * vectors[name("run 1")]
    found = verdicts(vectors, runs)
    assert found.keys() == {name("run 1")}
    assert found[name("run 1")].state == "rejected"
    assert "20 steps at learning rate 0.001 make 0.04 at most" in found[name("run 1")].reason


def test_an_update_beyond_the_band_of_five_peers_is_rejected_and_of_fewer_it_is_not() -> None:
    vectors, runs = world(7)
    start = vectors[START]
    vectors[name("run 3")] = start + 8 * (vectors[name("run 3")] - start)
    found = verdicts(vectors, runs)
    assert found.keys() == {name("run 3")}
    assert "times as large as the median of 6 other runs" in found[name("run 3")].reason
    assert verdicts(vectors, runs[:5]) == {}


def test_a_head_that_is_too_large_is_found_beside_an_honest_featurizer() -> None:
    vectors, runs = world(3)
    heads = vectors | {name("run 1"): 1000 * vectors[name("run 1")]}
    found = cheap_verdicts(inspected(vectors, heads), runs)
    assert found.keys() == {name("run 1")}
    assert found[name("run 1")].evidence["part"] == "head"


def test_a_run_that_did_not_move_is_quarantined_unless_its_receipt_says_that_it_kept_its_start() -> None:
    vectors, runs = world(3)
    vectors[name("run 1")] = vectors[START]
    found = verdicts(vectors, runs)
    assert {id: one.state for id, one in found.items()} == {name("run 1"): "quarantined"}
    runs[1] = moved("run 1", kept_start=True)
    assert verdicts(vectors, runs) == {}


def test_of_two_copies_the_later_one_is_quarantined_in_whatever_order_they_are_named() -> None:
    vectors, runs = world(4)
    start = vectors[START]
    vectors[name("run 2")] = vectors[name("run 0")] + 0.01 * (vectors[name("run 1")] - start)
    runs[0] = moved("run 0", created=5.0)
    runs[2] = moved("run 2", created=6.0)
    for order in (runs, runs[::-1]):
        found = verdicts(vectors, order)
        assert found.keys() == {name("run 2")}
        assert found[name("run 2")].evidence["copy_of"] == name("run 0")


def test_runs_that_keep_something_else_of_one_training_are_no_copies() -> None:
    vectors, runs = world(4)
    vectors[name("run 2")] = vectors[name("run 0")]
    runs[0], runs[2] = moved("run 0", training="same"), moved("run 2", training="same")
    assert verdicts(vectors, runs) == {}


# -- counts

CELL = Cell(domain="clay", split="validation")
IMAGES = 200


def comparison(*shares: float, seed: int = 0) -> Comparison:
    """Networks that are right on so many of the images, the same ones as far as they can be."""
    generator = np.random.RandomState(seed)
    order = generator.uniform(size=IMAGES)
    right = [order < share for share in shares]
    pairs = tuple(
        Pair(
            cell=CELL,
            first=i,
            second=j,
            both=int((right[i] & right[j]).sum()),
            only_first=int((right[i] & ~right[j]).sum()),
            only_second=int((~right[i] & right[j]).sum()),
            neither=int((~right[i] & ~right[j]).sum()),
        )
        for i in range(len(right))
        for j in range(i + 1, len(right))
    )
    rows = [int(one.sum()) for one in right]
    return Comparison(
        networks=tuple((Evaluation(cell=CELL, confusion=((row, IMAGES - row), (0, 0))),) for row in rows), pairs=pairs
    )


def counted(run: float, start: float, half: float, *more: float) -> Verdict:
    assert len(START_LINE) == 1
    assert len(more) in (0, 1 + len(REFERENCE_LINE))
    return counted_verdict([comparison(run, start, half, *more)], bool(more))


def test_a_run_that_is_better_than_its_start_and_connected_is_admitted_with_its_numbers() -> None:
    found = counted(0.6, 0.5, 0.58, 0.62, 0.63)
    assert found.admitted
    assert found.evidence["images"] == IMAGES
    assert found.evidence["accuracy"] == pytest.approx(60, abs=5)


def test_a_run_that_is_much_worse_than_its_start_is_quarantined_with_the_numbers() -> None:
    found = counted(0.1, 0.5, 0.35)
    assert found.state == "quarantined"
    assert "points less than the start that it was trained from, on 200 images" in found.reason


def test_a_barrier_to_the_reference_or_to_the_start_quarantines_and_never_rejects() -> None:
    reference = counted(0.6, 0.5, 0.58, 0.6, 0.2)
    assert reference.state == "quarantined"
    assert reference.reason.startswith("the network 50 % of the way to the reference recognises")
    start = counted(0.6, 0.5, 0.2, 0.6, 0.6)
    assert start.reason.startswith("the network 50 % of the way to its start recognises")


def test_a_shortfall_that_few_images_cannot_tell_from_chance_is_admitted() -> None:
    assert counted(0.46, 0.5, 0.48, 0.6, 0.5).admitted


def test_a_run_that_nobody_counted_is_admitted_and_says_so() -> None:
    assert counted_verdict([Comparison(networks=())], True).reason == NOT_COUNTED


def test_a_claim_differs_when_chance_does_not_explain_it() -> None:
    assert Claim((61, 100), (30, 100)).differs
    assert Claim((61, 100), (30, 100)).evidence == {"claimed": 61.0, "counted": 30.0}
    assert not Claim((61, 100), (55, 100)).differs
    assert not Claim((61, 100), (61, 100)).differs
    assert not Claim((0, 0), (55, 100)).differs


@pytest.mark.parametrize("count", range(3, 60))
def test_the_median_leaves_the_middle_one_or_two(count: int) -> None:
    assert count - 2 * cut_of(count, median_share(count)) == (1 if count % 2 else 2)
