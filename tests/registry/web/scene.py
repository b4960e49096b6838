"""A small history for the web page's tests: two rounds, releases, counts, a node that is here, and hostile words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ratatouille.exchange.assignment import Import
from ratatouille.exchange.membership import Lease, Stock, make_offer
from ratatouille.exchange.receipt import CurvePoint, Receipt
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.exchange.version import Combination, Parent
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task
from registry.maintainer import Maintainer
from registry.opening import open_registry
from registry.records import Result, RoundRecord
from tests.registry.world import FINGERPRINT, NETWORK, PETS, STOCK, World, featurizer, head

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"{SCRIPT}'\"><img src=x onerror=alert(2)>\u202e\u2066\x1b[31m\x07{{{{ 7*7 }}}}"
"""Markup, quotes, marks that turn the writing around, a terminal's escape and bell, a template's braces."""
CLASSES = (f"{SCRIPT}", "\u202ekcab")
WEIRD = Task(name="weird", kind="target", classes=CLASSES, domains=("photo", "sketch"))
COUNTS = {name: {"train": (30, 40), "validation": (10, 10), "test": (10, 10)} for name in PETS.domains}
CURVE = tuple(
    CurvePoint(
        step=step, loss=None if step == 0 else 1.0 / (1 + step), validation_loss=0.9 - step / 20, score=step / 12
    )
    for step in range(0, 11, 5)
)

SEED = "1" * 64
KEY = Signer.of_seed(bytes.fromhex(SEED)).node
"""The key of the node `anna`, who made all but what is hostile."""


@dataclass(frozen=True)
class Scene:
    """A registry and the ids of what is in it."""

    world: World
    foundation: str
    probe: str
    runs: tuple[str, ...]
    """Trainings of the round `summer`, more than are shown one by one."""
    first: str
    """The average of the round `spring`, released first."""
    second: str
    """The average of the round `summer`, released second."""
    hostile: str
    """An import whose words, classes included, are hostile."""


def make_scene(folder: Path) -> Scene:
    """Enter everything."""
    (folder / "files").mkdir()
    (folder / "node.key").write_text(SEED)
    world = World(open_registry(folder / "registry"), folder / "files", Signer.open(folder / "node.key"))
    world.define()
    world.registry.definitions.define_task(WEIRD)
    world.registry.work.offer(_offer(world.signer))
    probed = world.probed()
    foundation = world.registry.versions.show(str(probed.version)).entry.version.parents[0].version
    world.maintainer.release(foundation, "foundation")
    for id, name, state in (("4f2a", "spring", "done"), ("77aa", "summer", "running")):
        record = {"id": id, "name": name, "spec": "{}", "state": state, "created": time.time(), "changed": time.time()}
        world.registry.rounds.request_round(RoundRecord.model_validate(record))
    spring = [_run(world, probed, seed, "4f2a") for seed in (1, 2)]
    first = _average(world, spring, "4f2a", "spring", ((3, 1), (0, 4)))
    summer = [_run(world, probed, seed, "77aa") for seed in range(10, 19)]
    second = _average(world, summer, "77aa", "summer", ((4, 0), (1, 3)))
    world.registry.rounds.name_result("4f2a", "ratatouille", first)
    world.registry.rounds.name_result("77aa", HOSTILE[:80], second)
    world.maintainer.release(first, "stable", "spring is done")
    world.maintainer.tag(first, "spring-2026")
    world.maintainer.release(second, "stable", HOSTILE)
    world.registry.rounds.note("77aa", "plan", "4/40", "40 questions, 4 of them answered")
    world.registry.rounds.note("77aa", "failure", "0" * 64, HOSTILE)
    hostile = _hostile(world, second)
    runs = tuple(str(one.version) for one in summer)
    return Scene(world, foundation, str(probed.version), runs, first, second, hostile)


def _offer(signer: Signer) -> Sealed:
    holding = {"task": PETS.digest, "task_name": "pets", "counts": COUNTS, "fingerprint": FINGERPRINT}
    held = [Stock(Holding.model_validate(holding), STOCK.seed)]
    return make_offer(signer, "anna", held, device="cpu", seconds=3600.0)


def _run(world: World, start: Result, seed: int, round: str) -> Result:
    receipt, files = world.fine_tune(
        start, seed, round=round, curve=CURVE, kept_step=5, note=f"run {seed} {HOSTILE}"[:500]
    )
    return world.work(receipt, files)


def _average(world: World, members: list[Result], round: str, name: str, confusion: tuple[tuple[int, ...], ...]) -> str:
    parents = tuple(Parent(version=str(one.version)) for one in members)
    average = world.registry.work.combine(Combination(parents=parents), round, f"uniform of {len(members)} for {name}")
    world.work(world.evaluation(average, confusion), {})
    return str(average.version)


def _hostile(world: World, version: str) -> str:
    """A stranger imports weights and counts on a task of theirs, at work all the time; returns what was imported."""
    stranger = World(world.registry, world.folder, Signer.open(world.folder / "stranger.key"))
    (body, one), (top, two) = stranger.file(featurizer(99)), stranger.file(head(99))
    work = Import(architecture=NETWORK.digest, featurizer=body, head=top, task=WEIRD.digest, source=HOSTILE)
    receipt = Receipt(assignment=work, node=stranger.signer.node, featurizer=body, head=top, device=HOSTILE[:200])
    imported = world.registry.weights.push(stranger.seal(receipt), {body: one, top: two})
    evaluation = stranger.evaluation(imported, ((1, 2), (3, 4)))
    weird = evaluation.assignment.model_copy(update={"task": WEIRD.digest})
    stranger.work(evaluation.model_copy(update={"assignment": weird}), {})
    Maintainer(world.registry, stranger.signer, HOSTILE[:200]).release(version, "latest", HOSTILE)
    lease = Lease.on(weird, stranger.signer.node, 3600.0)
    doing = {"work_id": "5" * 64, "doing": HOSTILE[:100], "done": 3, "total": 9}
    world.registry.work.lease(stranger.signer.seal(lease.model_copy(update=doing)))
    return str(imported.version)
