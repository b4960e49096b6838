"""Registries of released software, kept as text: made once at each release, migrated and read by the tests for ever.

A fixture is the database as SQL, the weights, the answers to everything that can be asked, and the records that peers
sent each other. `pytest tests/registry/test_stored.py -k this_software --basetemp FOLDER` makes one, below FOLDER.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic_core import to_json

from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import Cell, Compare, Mixture, Weighted
from ratatouille.exchange.membership import Lease, Stock, make_offer
from ratatouille.exchange.order import Hint, Order, introduce
from ratatouille.exchange.receipt import Comparison, CurvePoint, Evaluation, Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding
from registry.records import Result, RoundRecord
from registry.services.local import LocalRegistry
from registry.services.registry import Registry
from tests.ratatouille.recipes.simulation import a_round
from tests.registry.world import FINGERPRINT, NETWORK, PETS, STOCK, World, featurizer

FIXTURES = Path(__file__).parent / "fixtures"


def restore(fixture: Path, folder: Path) -> None:
    """Make the registry folder that a fixture was made from."""
    (folder / "receiving").mkdir(parents=True)
    for digest, data in json.loads((fixture / "weights.json").read_text()).items():
        (folder / "blobs" / digest[:2]).mkdir(parents=True, exist_ok=True)
        (folder / "blobs" / digest[:2] / digest).write_bytes(base64.b64decode(data))
    with closing(sqlite3.connect(folder / "registry.db")) as database:
        database.executescript((fixture / "registry.sql").read_text())


def keep(folder: Path, fixture: Path) -> None:
    """Write the database and the weights of a registry folder as text."""
    fixture.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "registry.db")) as database:
        (fixture / "registry.sql").write_text("\n".join(database.iterdump()) + "\n")
    weights = {path.name: base64.b64encode(path.read_bytes()).decode() for path in sorted(folder.glob("blobs/*/*"))}
    (fixture / "weights.json").write_text(json.dumps(weights, indent=1) + "\n")


def answers(registry: Registry) -> dict[str, Any]:
    """What a registry says of everything in it that does not depend on the time of asking, as plain values."""
    entries = registry.versions.log(limit=100)
    found = {
        "tasks": registry.definitions.tasks(),
        "architecture": registry.definitions.architecture(NETWORK.digest),
        "log": entries,
        "show": [registry.versions.show(entry.id) for entry in entries],
        "lineage": [registry.versions.lineage(entry.id) for entry in entries],
        "results": registry.work.results(sorted({event.subject for event in registry.rounds.events()})),
        "answers": registry.work.results([entry.work_id for entry in entries]),
        "aliases": registry.releases.aliases(),
        "alias_history": registry.releases.alias_history("stable"),
        "rounds": registry.rounds.rounds(),
        "events": registry.rounds.events(),
        "verify": [registry.versions.verify(entry.id) for entry in entries],
    }
    return {name: json.loads(to_json(value)) for name, value in found.items()}


def make(target: Path) -> None:
    """Write a fixture with this software."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "files").mkdir()
        with closing(LocalRegistry(folder / "registry")) as registry:
            world = World(registry, folder / "files", Signer.open(folder / "anna.key"))
            records = _live(world, Signer.open(folder / "berta.key"))
            said = answers(registry)
        keep(folder / "registry", target)
    (target / "answers.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    (target / "records.json").write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n")


def _live(world: World, other: Signer) -> dict[str, str]:
    """Let a bit of everything happen; returns what peers sent, by the kind of record."""
    registry = world.registry
    world.define()
    start = world.probed()
    round = a_round("wx", ("soup", "ratatouille"))
    asked = RoundRecord(
        id=round.id, name=round.name, spec=round.to_json().decode(), state="requested", created=1.0, changed=1.0
    )
    registry.rounds.request_round(asked)
    registry.rounds.move_round(round.id, ["requested"], "running")
    offer = make_offer(world.signer, "anna", [Stock(_holding(), STOCK.seed)], "cuda")
    registry.work.offer(offer)
    curve = (CurvePoint(step=5, loss=None, validation_loss=0.5, score=0.75),)
    more: dict[str, Any] = {"round": round.id, "note": "first try – naïve", "curve": curve, "kept_step": 5}
    more["software"] = {"torch": "2"}
    first, files = world.fine_tune(start, 2, **more)
    registry.work.offer(make_offer(other, "ben", [Stock(_holding(), STOCK.seed)]))
    registry.work.lease(other.seal(Lease.on(first.assignment, other.node, seconds=0)))
    one = world.work(first, files)
    two = world.tuned(start, 3)
    body = featurizer(4, **{"bn.num_batches_tracked": np.array(8, np.int64)})
    refused, bad = world.fine_tune(start, 4, body=body)
    world.lease(refused)
    with suppress(Refusal):
        registry.weights.push(world.seal(refused), bad)
    late = first.model_copy(update={"node": other.node, "seconds": 3.0})
    registry.weights.push(other.seal(late), files)
    parents = (Parent(version=str(one.version)), Parent(version=str(two.version), coefficient=2))
    combination = Combination(parents=parents, purpose="uniform")
    mean = registry.work.combine(combination, round.id, "uniform of 2")
    for result in (one, two, mean):
        world.work(world.evaluation(result), {})
    comparison, count = _comparison(world, one, two), world.evaluation(start)
    world.work(comparison, {})
    registry.rounds.note(round.id, "failure", "somewhere", "a node was away")
    registry.rounds.move_round(round.id, ["running"], "done", "as planned")
    for version, why in ((one.version, "the first"), (mean.version, "better"), (one.version, "back")):
        world.maintainer.release(str(version), "stable", why)
    lease = Lease.on(count.assignment, world.signer.node, 1.0)
    lease = lease.model_copy(update={"done": 3, "total": 10, "doing": "reading images"})
    registry.work.lease(world.signer.seal(lease))
    order = Order(round=round.id, assignment=first.assignment, parents=first.parents, label="soup run 1 of 5")
    sent = {
        "Order": order,
        "Hint": Hint(work_id=first.work_id, outcome="pushed"),
        "Offer": offer,
        "Receipt": world.seal(first),
        "Lease": lease,
        "Combination": combination,
        "RoundRecord": asked,
        "Round": round,
    }
    texts = {kind: record.to_json().decode() for kind, record in sent.items()}
    return texts | {"Introduction": introduce(world.signer, 1, 2).decode()}


def _holding() -> Holding:
    many = {"train": (30, 20), "validation": (10, 10), "test": (10, 10)}
    counts = {"photo": many, "sketch": many}
    return Holding.model_validate(
        {"task": PETS.digest, "task_name": PETS.name, "counts": counts, "fingerprint": FINGERPRINT}
    )


def _comparison(world: World, *results: Result) -> Receipt:
    cell = Cell(domain="sketch", split="test")
    networks = tuple(
        Mixture(featurizer=(Weighted(part=str(one.featurizer)),), head=(Weighted(part=str(one.head)),))
        for one in results
    )
    work = Compare(
        architecture=NETWORK.digest,
        task=PETS.digest,
        fingerprint=sha256(b"other pets"),
        image_size=8,
        networks=networks,
        cells=(cell,),
    )
    counted = Evaluation(cell=cell, confusion=((2, 1), (0, 5)))
    return Receipt(
        assignment=work, node=world.signer.node, comparison=Comparison(networks=tuple((counted,) for _ in networks))
    )
