"""The attack benchmark from rounds to report, on small data: a few attacks through the real registry and the checks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmarks.ground import SIZE, Ground
from coordinator.benchmark.admission.attacks import Attack, Situation
from coordinator.benchmark.admission.contributions import SubmittedRun, situation
from coordinator.benchmark.admission.figures import AdmissionFigures
from coordinator.benchmark.admission.geometry import inspected
from coordinator.benchmark.admission.pages import write
from coordinator.benchmark.admission.running import Bench, inspect, measure, opened
from coordinator.benchmark.admission.sizes import Size
from coordinator.benchmark.admission.weights import FlatWeights
from coordinator.benchmark.running import PreparedSuite, carry_out, prepare
from coordinator.benchmark.suite import Suite, Wishes, rounds
from ratatouille.tasks.node import NodeData, NodeSettings
from ratatouille.tasks.synthetic import STYLES, synthetic_tasks, write_synthetic

SMALL = Size("small", 1, 6, (5,), (0.2, 0.4), 5, ("flipped update",), 1, (2,))
HELD_OUT = STYLES[-1]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedSuite:
    folder = tmp_path_factory.mktemp("admission")
    images = write_synthetic("shapes", folder / "shapes", each=6)
    node = NodeSettings(
        name="all",
        data=(NodeData(task="shapes", path=images, domains={style: style for style in STYLES}, group="stem"),),
    )
    wishes = Wishes(1, ("soup",), Ground.protocol(4) | {"runs": 1})
    suite = Suite(
        name="small",
        nodes=(node,),
        tasks=(synthetic_tasks()["shapes"],),
        foundation=str(Ground(folder / "ground", 6).foundation),
        architecture="test_resnet",
        image_size=SIZE,
        rounds=rounds("small", "shapes", [(HELD_OUT,)], ("strict",), wishes, 1, auxiliaries=()),
        about="Small shapes.",
    )
    return prepare(suite, folder / "bench")


def _as_it_is(made: FlatWeights, given: Situation) -> FlatWeights:
    return made


def _honest(bench: Bench, count: int) -> tuple[SubmittedRun, ...]:
    """Contributions whose updates are small noise: the one run that was trained is too short to be better than its
    start, and an update is what attacks need.
    """
    (_, (own,)), *_ = bench.rounds
    attacker = bench.attacker
    found = []
    for seed in range(count):
        given = situation(attacker.files, own, (), None, seed)
        norm = 1e-3 * math.sqrt(len(given.own.values))
        moved = given.own.moved(given.own.values + given.noise(norm))
        small = Attack("small noise", "", partial(_as_it_is, moved))
        seeded = replace(own, assignment=own.assignment.model_copy(update={"seed": seed}))
        found.append(replace(attacker.push(small, given, seeded), attack=None))
    return tuple(found)


@contextmanager
def _bench(prepared: PreparedSuite) -> Iterator[Bench]:
    with opened(prepared, 1) as bench:
        yield replace(bench, pool=_honest(bench, 7))


@pytest.fixture(scope="module")
def found(prepared: PreparedSuite) -> AdmissionFigures:
    carry_out(prepared, 1, lambda drivers: None)
    with _bench(prepared) as bench:
        return measure(bench, SMALL, prepared.folder / "admission", lambda what, done, total: None)


@pytest.mark.parametrize(
    ("attack", "check"),
    [
        ("scaled weights", "norm"),
        ("zeros", "norm"),
        ("largest floats", "norm"),
        ("rotated head", "norm"),
        ("wrong ancestor", "norm"),
        ("batch norm", "push"),
        ("free rider", "unmoved"),
        ("duplicate", "copy"),
    ],
)
def test_the_checks_of_a_round_stop_what_weights_show(found: AdmissionFigures, attack: str, check: str) -> None:
    one = next(one for one in found.results if one.attack == attack)
    assert one.checks == {check: 1}
    assert one.reason
    assert one.held_out["gate"] == one.held_out["honest"] or one.refused


def test_the_report_has_every_attack_the_honest_share_and_the_backdoor(
    prepared: PreparedSuite, found: AdmissionFigures, tmp_path: Path
) -> None:
    write(tmp_path, found, SMALL, "ratatouille benchmark admission", "Small shapes.")
    text = (tmp_path / "report.md").read_text()
    assert "| backdoor |" in text
    assert "No check " in text
    assert "| all |" in text
    assert (tmp_path / "figure.png").exists()
    assert {(one.members, one.backdoors) for one in found.backdoor} == {(1, 1), (1, 0), (2, 1), (2, 0)}


def test_inner_products_made_at_once_are_those_of_the_registry(
    prepared: PreparedSuite, found: AdmissionFigures
) -> None:
    with _bench(prepared) as bench:
        ours, theirs = inspected(bench.attacker.files, bench.pool), inspect(bench.registry, bench.pool)
    for mine, registrys in ((ours.featurizer, theirs.featurizer), (ours.head, theirs.head)):
        assert mine is not None
        assert registrys is not None
        assert set(mine.ids) <= set(registrys.ids)
        assert mine.elements == registrys.elements
        for first in mine.ids:
            for second in mine.ids:
                near = pytest.approx(registrys.distance(first, second), rel=1e-6, abs=1e-9)
                assert mine.distance(first, second) == near
