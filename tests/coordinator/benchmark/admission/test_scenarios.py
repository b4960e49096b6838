"""Which attack is stopped by a check of weights alone, and which goes on to be counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from coordinator.benchmark.admission.attacks import ATTACKS, Situation
from coordinator.benchmark.admission.figures import wilson
from coordinator.benchmark.admission.scenarios import check_of, part_of
from coordinator.benchmark.admission.sizes import SIZES, scenarios
from coordinator.benchmark.admission.weights import FlatWeights
from ratatouille.exchange.inspection import Gram, Inspected, triangle
from ratatouille.recipes.admission import Moved, cheap_verdicts
from ratatouille.record import sha256
from tests.coordinator.benchmark.admission.networks import LAYOUT, situation

STEPS, UPDATE = 10, 0.1
STOPPED = {
    "flipped weights": "norm",
    "scaled weights": "norm",
    "scaled update": "norm",
    "noise": "norm",
    "zeros": "norm",
    "largest floats": "norm",
    "rotated head": "norm",
    "wrong ancestor": "norm",
    "free rider": "unmoved",
    "duplicate": "copy",
}
"""What the checks of weights stop. The registry refuses `batch norm` while it is pushed, since its buffers moved."""


def _inspected(vectors: dict[str, FlatWeights], origin: FlatWeights) -> Inspected:
    ids = sorted(vectors)

    def gram(part: slice) -> Gram:
        rows = np.stack([vectors[id].values[part].astype(np.float64) - origin.values[part] for id in ids])
        return Gram(ids=tuple(ids), elements=rows.shape[1], products=triangle((rows @ rows.T).tolist()))

    return Inspected(featurizer=gram(slice(0, LAYOUT.head.start)), head=gram(LAYOUT.head))


def _stopped(name: str, given: Situation) -> str:
    attack = ATTACKS[name]
    vectors = {"attacker": attack.make(given), "start": given.start}
    vectors |= {f"peer {number}": peer for number, peer in enumerate(given.peers)}
    ids = {label: sha256(label.encode()) for label in vectors}
    members = [label for label in vectors if label != "start"]
    runs = [
        Moved(
            version=ids[label],
            start=ids["start"],
            head_start=ids["start"],
            learning_rate=UPDATE / STEPS,
            steps=STEPS,
            training=label,
            created=float(label == "attacker"),
        )
        for label in members
    ]
    found = cheap_verdicts(_inspected({ids[label]: one for label, one in vectors.items()}, given.origin), runs)
    assert set(found) <= {ids["attacker"]}, "an honest peer was stopped"
    verdict = found.get(ids["attacker"])
    return "" if verdict is None else check_of(verdict)


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_the_checks_of_weights_stop_what_is_stated_and_no_peer(name: str) -> None:
    assert _stopped(name, situation(peers=8)) == STOPPED.get(name, "")


def test_rows_of_an_inspection_are_those_of_a_smaller_one() -> None:
    ids = [sha256(bytes([number])) for number in range(4)]
    rows = np.random.default_rng(0).standard_normal((4, 6))
    order = sorted(ids)
    gram = Gram(ids=tuple(order), elements=6, products=triangle((rows @ rows.T).tolist()))
    small = part_of(gram, [ids[2], ids[0], ids[0]])
    assert list(small.ids) == sorted([ids[0], ids[2]])
    assert small.distance(ids[0], ids[2]) == gram.distance(ids[0], ids[2])


def _numbers(members: int, name: str, found: Sequence[object]) -> list[int]:
    return [one.attackers for one in found if (one.members, one.attack, one.draw) == (members, name, 0)]  # type: ignore[attr-defined]


def test_every_attack_is_tried_alone_and_some_up_to_forty_percent() -> None:
    found = scenarios(SIZES["full"], 20)
    assert {one.attack for one in found if one.attackers == 1} == set(ATTACKS)
    assert _numbers(20, "ALIE", found) == [1, 4, 8]
    assert all(2 * one.attackers < one.members for one in found)
    assert all(one.members <= 12 for one in scenarios(SIZES["full"], 12))


def test_wilsons_interval_of_nothing_in_a_hundred_reaches_nearly_four_percent() -> None:
    low, high = wilson(0, 100)
    assert low == 0
    assert math.isclose(high, 0.0370, abs_tol=1e-3)
