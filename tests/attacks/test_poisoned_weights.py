"""A member who pushes poisoned weights for a run of a real round: the gate lets none of them into an average."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from coordinator.driver import RoundDriver
from coordinator.requests import request
from coordinator.settings import read_round_settings
from ratatouille.analysis.admission import admission_report
from ratatouille.exchange.assignment import FineTune
from ratatouille.exchange.membership import Lease, make_offer
from ratatouille.exchange.order import Order
from ratatouille.exchange.signing import Signer
from ratatouille.recipes.questions import RoundPlan
from ratatouille.record import sha256
from ratatouille.tasks.data import LocalData
from ratatouille.tasks.node import open_holdings, read_node_settings
from ratatouille.training.answer import answer
from ratatouille.training.outcome import receipt_of
from ratatouille.training.perform import perform
from ratatouille.weights.architecture import Part
from ratatouille.weights.canonical import encode, open_part
from registry.opening import open_registry
from registry.services.registry import Registry
from tests.coordinator.federation import Ground
from tests.coordinator.test_driver import Inline

Arrays = dict[str, np.ndarray]
Poison = Callable[[Part, Arrays, Arrays], Arrays]
"""From a part, its weights and those that it started from, to the attacker's weights."""
ATTACKED = "soup run 3 of 5"


@dataclass(frozen=True)
class Place:
    """A registry folder, the data of the target, and the keys of two members who both hold it."""

    folder: Path
    round: str
    data: LocalData
    anna: Signer
    ben: Signer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Four honest runs of five are there; the fifth is open."""
    folder = tmp_path_factory.mktemp("poison")
    ground = Ground(folder, steps=12)
    file = ground.write_round("soup", 12, recipes=["soup"], protocol=ground.protocol(12) | {"runs": 5})
    file.write_text("evaluate_held_out = false\n" + file.read_text())
    registry = open_registry(folder / "registry")
    ground.enter(registry)
    settings = read_node_settings(ground.node_file("chiara"))
    (data,) = open_holdings(settings, registry.definitions.task, folder / "read").values()
    anna, ben = (Signer.open(folder / f"{name}.key") for name in ("anna", "ben"))
    for name, signer in (("anna", anna), ("ben", ben)):
        registry.work.offer(make_offer(signer, name, [data]))
    made = Place(folder, request(read_round_settings(file), registry).id, data, anna, ben)
    registry.rounds.move_round(made.round, ["requested"], "running")
    go_on(made, registry, folder / "work", None)
    registry.close()
    return made


def go_on(place: Place, registry: Registry, work: Path, poison: Poison | None) -> tuple[RoundDriver, RoundPlan]:
    """Answer what is open, with the training code's own counts, until only the attacked run is left."""
    record = registry.rounds.round(place.round)
    driver = RoundDriver.of(record, registry, executor=Inline(), signer=place.anna)
    while True:
        found = driver.advance()
        orders = [one for one in found.orders.values() if poison is not None or one.label != ATTACKED]
        if not orders:
            return driver, found
        for order in orders:
            if order.label == ATTACKED and poison is not None:
                push(place, registry, work, order, poison)
                continue
            signer = place.anna if isinstance(order.assignment, FineTune) else place.ben
            hint = answer(order, place.data, registry, signer, work)
            assert hint.outcome == "pushed", hint


def push(place: Place, registry: Registry, work: Path, order: Order, poison: Poison) -> None:
    """Train honestly, poison what came out, and push it with a receipt that claims the honest counts."""
    assignment = order.assignment
    assert isinstance(assignment, FineTune)
    architecture = registry.definitions.architecture(assignment.architecture)
    start = {digest: registry.weights.fetch(digest) for digest in (assignment.featurizer, assignment.head)}
    outcome = perform(assignment, place.data.task, architecture, place.data, start, work)
    files, digests = {}, {}
    for part, made, begun in (
        ("featurizer", outcome.featurizer, assignment.featurizer),
        ("head", outcome.head, assignment.head),
    ):
        tensors = architecture.part(part, len(place.data.task.classes))  # type: ignore[arg-type]
        own, first = open_part(outcome.files[str(made)], tensors), open_part(start[begun], tensors)
        trained = [one.name for one in tensors if not one.buffer]  # moved buffers are refused while bytes arrive
        sides = [{name: side[name] for name in trained} for side in (own, first)]
        encoded = encode(own | poison(part, *sides))  # type: ignore[arg-type]
        digests[part] = sha256(encoded)
        files[digests[part]] = work / digests[part]
        files[digests[part]].write_bytes(encoded)
    answered = replace(outcome, featurizer=digests["featurizer"], head=digests["head"], files=files, seconds=1.0)
    registry.work.lease(place.anna.seal(Lease.on(assignment, place.anna.node, 60.0)))
    registry.weights.push(place.anna.seal(receipt_of(order, answered, place.anna.node, 0.0)), files)


def scaled(factor: float) -> Poison:
    return lambda part, own, start: {name: (factor * array).astype(array.dtype) for name, array in own.items()}


def constant(value: float) -> Poison:
    return lambda part, own, start: {name: np.full_like(array, value) for name, array in own.items()}


def noise(part: Part, own: Arrays, start: Arrays) -> Arrays:
    generator = np.random.RandomState(0)
    return {name: generator.standard_normal(array.shape).astype(array.dtype) for name, array in own.items()}


def rotated_head(part: Part, own: Arrays, start: Arrays) -> Arrays:
    return own if part == "featurizer" else {name: 1000 * np.roll(array, 1, axis=0) for name, array in own.items()}


def unmoved(part: Part, own: Arrays, start: Arrays) -> Arrays:
    return start


ATTACKS: dict[str, tuple[Poison, str]] = {
    "sign flip": (scaled(-1.0), "rejected"),
    "times 100": (scaled(100.0), "rejected"),
    "zeros": (constant(0.0), "rejected"),
    "largest floats": (constant(3.0e38), "rejected"),
    "noise": (noise, "rejected"),
    "rotated head": (rotated_head, "rejected"),
    "free rider": (unmoved, "quarantined"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_poisoned_run_is_averaged_and_the_report_says_why(place: Place, tmp_path: Path, attack: str) -> None:
    poison, state = ATTACKS[attack]
    shutil.copytree(place.folder / "registry", tmp_path / "registry")
    registry = open_registry(tmp_path / "registry")
    (tmp_path / "work").mkdir()
    driver, plan = go_on(place, registry, tmp_path / "work", poison)
    assert plan.done
    (outcome,) = plan.outcomes
    assert [(one.label, one.state) for one in outcome.left_out] == [("soup run 3", state)]
    assert len(outcome.members) == 4
    assert outcome.final is not None
    parents = registry.versions.show(str(outcome.final.version)).entry.version.parents
    assert outcome.left_out[0].version not in [parent.version for parent in parents]
    standing = registry.review.find_review(outcome.left_out[0].version)
    assert (standing.state, standing.by, standing.round) == (state, "gate", place.round)
    assert driver.conclude(plan).startswith("without 1 run that was not admitted: soup run 3")
    told = admission_report(driver.round, plan, str, driver.seconds)
    assert told.independent == 4
    assert told.sentences[0].startswith(f"Not admitted: soup run 3 ({state}): ")
    registry.close()


def test_an_honest_fifth_run_is_admitted_with_the_others(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.folder / "registry", tmp_path / "registry")
    registry = open_registry(tmp_path / "registry")
    (tmp_path / "work").mkdir()
    driver, plan = go_on(place, registry, tmp_path / "work", lambda part, own, start: own)
    (outcome,) = plan.outcomes
    assert not outcome.left_out
    assert len(outcome.members) == 5
    assert driver.conclude(plan) == ""
    assert {verdict.state for verdict in plan.verdicts.values()} == {"admitted"}
    registry.close()


def test_a_run_that_a_maintainer_accepts_later_comes_back_when_the_round_is_run_again(
    place: Place, tmp_path: Path
) -> None:
    from ratatouille.exchange.change import Review

    shutil.copytree(place.folder / "registry", tmp_path / "registry")
    registry = open_registry(tmp_path / "registry")
    (tmp_path / "work").mkdir()
    driver, plan = go_on(place, registry, tmp_path / "work", unmoved)
    registry.rounds.move_round(place.round, ["running"], "done", driver.conclude(plan))
    (bad,) = plan.outcomes[0].left_out
    decision = Review(version=bad.version, state="admitted", reason="it is known", by="maintainer", at=1.0)
    registry.review.enter(place.ben.seal(decision))
    done = RoundDriver.of(registry.rounds.round(place.round), registry).gather()
    assert [one.version for one in done.outcomes[0].left_out] == [bad.version]
    settings = read_round_settings(place.folder / "soup.toml")
    assert request(settings, registry).id == place.round
    assert registry.rounds.round(place.round).state == "requested"
    registry.rounds.move_round(place.round, ["requested"], "running")
    _, again = go_on(place, registry, tmp_path / "work", unmoved)
    assert again.done
    assert len(again.outcomes[0].members) == 5
    registry.close()
