"""A maintainer with a grudge asks which images a contributor holds, by counts of networks that he made himself.

For each image that he suspects he makes two heads that say the image's class for whatever lies beyond a threshold in
its direction, one threshold a little below the image and one a little above. If the image is there, the first head
recognises one image more than the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from contributor_client.answers import Worker
from contributor_client.paths import NodePaths
from ratatouille.exchange.assignment import Assignment, Cell, Compare, Evaluate, Import, Mixture, Probe, Weighted
from ratatouille.exchange.confusion import entries
from ratatouille.exchange.membership import Announcement, Lease, make_offer
from ratatouille.exchange.order import Hint, Order, seal_order
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from ratatouille.tasks.data import open_data
from ratatouille.tasks.node import NodeData, NodeSettings
from ratatouille.tasks.settings import DataSettings
from ratatouille.tasks.synthetic import write_synthetic
from ratatouille.training.augment import Transform
from ratatouille.training.compare import compare
from ratatouille.training.evaluate import forward
from ratatouille.training.network import build
from ratatouille.weights.canonical import Array, encode, open_part
from registry.records import RoundRecord
from tests.contributor_client.pantry import Pantry, stock

EACH = 12
"""Images of each class that the node holds in a style; the suspect has twice as many, the others are not there."""
COORDINATOR = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))
NIGHT = Cell(domain="night", split="all")
SIZE = 32

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Suspect:
    """An image that may be held: its features, its class, and whether it is held."""

    features: Floats
    label: int
    held: bool


@pytest.fixture(scope="module")
def pantry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pantry]:
    found = stock(tmp_path_factory.mktemp("pantry"))
    found.registry.work.announce(COORDINATOR.seal(Announcement(fleet="127.0.0.1:9291")))
    found.registry.rounds.request_round(
        RoundRecord(id="r1", name="spring", spec="{}", state="requested", created=1.0, changed=1.0)
    )
    assert found.registry.rounds.move_round("r1", ["requested"], "running")
    yield found
    found.registry.close()


@pytest.fixture(scope="module")
def suspects(pantry: Pantry, tmp_path_factory: pytest.TempPathFactory) -> list[Suspect]:
    """Twelve images that the node holds and twelve that it does not, of one class and style."""
    setup = pantry.setup
    folder = write_synthetic(setup.task.name, tmp_path_factory.mktemp("suspects"), each=2 * EACH, styles=("night",))
    data = open_data(setup.task, DataSettings(path=folder, group="stem"))
    network = build(setup.architecture, 3).eval()
    parts = setup.digests["featurizer"]
    network.load("featurizer", open_part(setup.start[parts], setup.architecture.part("featurizer", 3)))
    transform = Transform(setup.architecture, torch.device("cpu"))
    features = forward(network.featurizer, data.images(SIZE), np.arange(len(data)), transform)
    held = set(setup.data.digests)
    return [Suspect(features[at], int(data.labels[at]), digest in held) for at, digest in enumerate(data.digests)]


def heads(suspects: Sequence[Suspect]) -> list[dict[str, Array]]:
    """Two heads for each suspect; the direction is whitened by what the attacker has himself."""
    everybody = np.stack([one.features for one in suspects]).astype(np.float64)
    centre = everybody.mean(0)
    spread = np.cov((everybody - centre).T) + 1e-6 * np.eye(everybody.shape[1])
    made = []
    for one in suspects:
        direction = np.linalg.solve(spread, one.features - centre)
        reach = float(direction @ (one.features - centre))
        for share in (1 - 1e-3, 1 + 1e-3):
            weight, bias = np.zeros((3, len(direction)), np.float32), np.zeros(3, np.float32)
            weight[one.label] = direction / reach
            bias[one.label] = -share - direction @ centre / reach
            bias[(one.label + 1) % 3] = 0.0
            bias[(one.label + 2) % 3] = -1e9
            made.append({"weight": weight, "bias": bias})
    return made


def found(counted: Sequence[tuple[Evaluation, ...]]) -> list[bool]:
    """What the attacker concludes of each suspect from the counts of its two heads."""
    right = [sum(evaluation.correct for evaluation in cells) for cells in counted]
    return [below == above + 1 for below, above in zip(right[::2], right[1::2], strict=True)]


def question(pantry: Pantry, digests: Sequence[str]) -> Compare:
    """The comparison of networks with these heads."""
    setup = pantry.setup
    featurizer = (Weighted(part=setup.digests["featurizer"]),)
    return Compare(
        architecture=setup.architecture.digest,
        task=setup.task.digest,
        fingerprint=setup.data.holding.fingerprint,
        image_size=SIZE,
        networks=tuple(Mixture(featurizer=featurizer, head=(Weighted(part=digest),)) for digest in digests),
        cells=(NIGHT,),
    )


def take(pantry: Pantry, signer: Signer, assignment: Assignment) -> None:
    """Take the lease on a question, as a member that holds the same data."""
    pantry.registry.work.offer(make_offer(signer, "mallory", [pantry.setup.data]))
    pantry.registry.work.lease(signer.seal(Lease.on(assignment, signer.node, 60.0)))


def write(made: Sequence[dict[str, Array]], folder: Path) -> dict[str, Path]:
    """Canonical files by digest."""
    paths = {}
    for head in made:
        data = encode(head)
        path = folder / sha256(data)
        path.write_bytes(data)
        paths[sha256(data)] = path
    return paths


def worker_of(pantry: Pantry, folder: Path, networks_per_week: int | None = None) -> Worker:
    """The node's worker, as `node join` starts it."""
    images = NodeData(task=pantry.setup.task.name, path=pantry.images, group="stem")
    settings = NodeSettings(name="anna", data=(images,))
    if networks_per_week is not None:
        settings = settings.model_copy(update={"networks_per_week": networks_per_week})
    paths = NodePaths(folder)
    pantry.registry.work.offer(make_offer(Signer.open(paths.key), "anna", [pantry.setup.data]))
    return Worker(settings, paths, pantry.registry, [pantry.setup.data.holding.fingerprint])


def ask(worker: Worker, assignment: Compare | Evaluate, versions: Sequence[str]) -> Hint:
    """Order it, as the coordinator would."""
    order = Order(round="r1", assignment=assignment, parents=tuple(versions), label="compare")
    return Hint.from_json(worker.handle(seal_order(COORDINATOR, order)))


def test_without_a_guard_the_counts_tell_who_is_there(pantry: Pantry, suspects: list[Suspect], tmp_path: Path) -> None:
    """The attack works; were it weak, the tests below would say nothing."""
    setup = pantry.setup
    paths = write(heads(suspects), tmp_path)
    network = build(setup.architecture, 3, image_size=SIZE)
    start = {**setup.start, **paths}
    transform = Transform(setup.architecture, torch.device("cpu"))
    counted = compare(
        question(pantry, list(paths)), setup.architecture, network, setup.data, start, transform, lambda *_: None
    )
    guesses = found(counted.networks)
    hits = sum(guess for guess, one in zip(guesses, suspects, strict=True) if one.held)
    misses = sum(guess for guess, one in zip(guesses, suspects, strict=True) if not one.held)
    held = sum(one.held for one in suspects)
    assert held == len(suspects) // 2 == 3 * EACH
    assert hits >= 0.9 * held
    assert misses <= 0.1 * held


def enter(pantry: Pantry, signer: Signer, head: dict[str, Array], folder: Path, forged: bool) -> tuple[str, str]:
    """Enter a head as a version of its own, as an import or as if a node had probed it; returns digest and version."""
    setup, registry = pantry.setup, pantry.registry
    parents: tuple[str, ...] = ()
    ((digest, path),) = write([head], folder).items()
    featurizer = setup.digests["featurizer"]
    if forged:
        work: Import | Probe = setup.probe(repeat=int(digest[:6], 16))
        parents = (registry.versions.resolve("foundation"),)
    else:
        work = Import(
            architecture=setup.architecture.digest,
            featurizer=featurizer,
            head=digest,
            task=setup.task.digest,
            source="my own",
        )
    receipt = Receipt(assignment=work, parents=parents, node=signer.node, featurizer=featurizer, head=digest)
    if forged:
        take(pantry, signer, receipt.assignment)
    result = registry.weights.push(signer.seal(receipt), {digest: path, featurizer: setup.start[featurizer]})
    return digest, str(result.version)


def test_imported_heads_find_nobody(pantry: Pantry, suspects: list[Suspect], tmp_path: Path) -> None:
    worker = worker_of(pantry, tmp_path / "node")
    mallory = Signer.open(tmp_path / "mallory")
    entered = [enter(pantry, mallory, head, tmp_path, forged=False) for head in heads(suspects)[:8]]
    digests, versions = [digest for digest, _ in entered], [version for _, version in entered]
    hint = ask(worker, question(pantry, digests), versions)
    assert (hint.outcome, hint.failure and hint.failure.code) == ("refused", "head-imported")
    single = Evaluate(
        **question(pantry, digests[:1]).model_dump(exclude={"kind", "networks", "ensemble", "pairs", "features"}),
        featurizer=pantry.setup.digests["featurizer"],
        head=digests[0],
    )
    hint = ask(worker, single, versions[:1])
    assert (hint.outcome, hint.failure and hint.failure.code) == ("refused", "head-imported")
    assert not pantry.registry.work.results([question(pantry, digests).digest, single.digest])


def test_an_average_that_an_imported_head_is_part_of_finds_nobody(
    pantry: Pantry, suspects: list[Suspect], tmp_path: Path
) -> None:
    worker = worker_of(pantry, tmp_path / "node")
    mallory = Signer.open(tmp_path / "mallory")
    _, version = enter(pantry, mallory, heads(suspects)[20], tmp_path, forged=False)
    alone = pantry.registry.work.combine(Combination(parents=(Parent(version=version),), purpose="alone"))
    hint = ask(worker, question(pantry, [str(alone.head)]), [str(alone.version)])
    assert (hint.outcome, hint.failure and hint.failure.code) == ("refused", "head-imported")


def test_a_head_that_no_parent_of_the_order_has_finds_nobody(
    pantry: Pantry, suspects: list[Suspect], tmp_path: Path
) -> None:
    worker = worker_of(pantry, tmp_path / "node")
    digest, _ = enter(pantry, Signer.open(tmp_path / "mallory"), heads(suspects)[22], tmp_path, forged=False)
    hint = ask(worker, question(pantry, [digest]), [pantry.registry.versions.resolve("probed")])
    assert (hint.outcome, hint.failure and hint.failure.code) == ("refused", "head-imported")


def test_what_remains_is_limited_by_the_budget_whoever_asks_and_however(
    pantry: Pantry, suspects: list[Suspect], tmp_path: Path
) -> None:
    """Whoever can forge where heads come from gets answers, as many as the budget has networks and no more."""
    folder = tmp_path / "node"
    mallory = Signer.open(tmp_path / "mallory")
    entered = [enter(pantry, mallory, head, tmp_path, forged=True) for head in heads(suspects)[:12]]
    answered = 0
    for first in range(0, 12, 2):
        # Each time another process of the node: what was spent is on disk.
        worker = worker_of(pantry, folder, networks_per_week=6)
        digests, versions = zip(*entered[first : first + 2], strict=True)
        hint = ask(worker, question(pantry, digests), versions)
        assert (hint.outcome, hint.failure and hint.failure.code) in [("pushed", None), ("refused", "budget-used-up")]
        answered += hint.outcome == "pushed"
    assert answered == 3


def test_a_training_beyond_the_budget_tells_no_counts(pantry: Pantry, tmp_path: Path) -> None:
    worker = worker_of(pantry, tmp_path / "node", networks_per_week=0)
    assignment = pantry.setup.fine_tune(seed=99)
    order = Order(
        round="r1", assignment=assignment, parents=(pantry.registry.versions.resolve("probed"),) * 2, label="run"
    )
    hint = Hint.from_json(worker.handle(seal_order(COORDINATOR, order)))
    assert hint.outcome == "pushed"
    version = str(pantry.registry.work.results([assignment.digest])[assignment.digest].version)
    receipt = pantry.registry.versions.show(version).receipt
    assert receipt is not None
    assert receipt.evaluations == ()
    assert receipt.curve == ()
    assert receipt.head


def test_small_mistakes_are_one_number(pantry: Pantry, tmp_path: Path) -> None:
    worker = worker_of(pantry, tmp_path / "node")
    version = pantry.registry.versions.resolve("first")
    details = pantry.registry.versions.show(version)
    assignment = pantry.setup.evaluate(
        NIGHT, head=details.entry.version.head, featurizer=details.entry.version.featurizer
    )
    assert ask(worker, assignment, [version]).outcome == "pushed"
    (counted,) = pantry.registry.work.results([assignment.digest])[assignment.digest].evaluations
    assert counted.count == 3 * EACH
    assert all(images >= 5 for true, taken, images in entries(counted.confusion) if true != taken < 3)
