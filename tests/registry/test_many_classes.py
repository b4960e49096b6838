"""A task of 21,841 classes, as ImageNet-21k has, goes the whole way through a registry, in process and over gRPC."""

from __future__ import annotations

from functools import cache

import pytest

from ratatouille.exchange.assignment import Cell, Evaluate, Probe
from ratatouille.exchange.confusion import Confusion, add, by_class, confusion_of, totals
from ratatouille.exchange.membership import Stock
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task
from registry.commands.verify import audit
from registry.presentation.scores import class_lines, mistakes, score_lines, scored_cells
from tests.registry.world import NETWORK, World, head

CLASSES = 21_841
THINGS = Task(
    name="things",
    kind="target",
    classes=tuple(f"a thing of kind {number}" for number in range(CLASSES)),
    domains=("photo", "sketch"),
)
CELL = Cell(domain="sketch", split="all")


@cache
def counted(images: int, shift: int) -> Confusion:
    """So many images, of which every third is recognised."""
    entries = ((n * 17 % CLASSES, (n * 17 + (shift if n % 3 else 0)) % CLASSES, 1) for n in range(images))
    return confusion_of(CLASSES, entries)


def offer(world: World, fingerprint: str) -> None:
    """Offer ten images of each class on every side of the split."""
    row = (10,) * CLASSES
    counts = {domain: {"train": row, "validation": row, "test": row} for domain in THINGS.domains}
    holding = Holding.model_validate(
        {"task": THINGS.digest, "task_name": THINGS.name, "counts": counts, "fingerprint": fingerprint}
    )
    world.offer(Stock(holding, seed=bytes.fromhex(fingerprint)))


def probed(world: World) -> tuple[str, str]:
    """A head of so many classes on the foundation; returns the digests of both parts."""
    base = world.foundation()
    digest, path = world.file(head(3, CLASSES))
    work = Probe(
        architecture=NETWORK.digest,
        featurizer=str(base.featurizer),
        task=THINGS.digest,
        fingerprint=sha256(b"things"),
        image_size=8,
        domains=("photo",),
        l2=1.0,
        iterations=1,
    )
    receipt = Receipt(
        assignment=work,
        parents=(str(base.version),),
        node=world.signer.node,
        featurizer=base.featurizer,
        head=digest,
        evaluations=(Evaluation(cell=Cell(domain="photo", split="validation"), confusion=counted(5_000, 1)),),
    )
    offer(world, sha256(b"things"))
    world.work(receipt, {digest: path})
    return str(base.featurizer), digest


@pytest.mark.parametrize("images", [40, 60_000])
def test_counts_of_21841_classes_are_pushed_shown_ranked_and_checked(world: World, images: int) -> None:
    world.registry.definitions.define_task(THINGS)
    body, top = probed(world)
    for number, holder in enumerate((b"one", b"other")):
        work = Evaluate(
            architecture=NETWORK.digest,
            featurizer=body,
            head=top,
            task=THINGS.digest,
            fingerprint=sha256(holder),
            image_size=8,
            cells=(CELL,),
        )
        evaluation = Evaluation(cell=CELL, confusion=counted(images, number + 1))
        offer(world, sha256(holder))
        world.work(Receipt(assignment=work, node=world.signer.node, evaluations=(evaluation,)), {})
    both = add([counted(images, 1), counted(images, 2)])
    correct, all_images = totals(both)

    ranking = world.registry.versions.best("things", split="all")
    details = world.registry.versions.show(ranking.versions[0].entry.id)
    line = next(line for line in score_lines(details.evaluations) if line.domain == "sketch")
    cell = next(cell for cell in scored_cells(details.evaluations) if cell.domain == "sketch")
    assert (line.images, line.accuracy) == (cell.images, cell.accuracy) == (all_images, correct / all_images)
    assert cell.confusion == both
    lines = class_lines(details.evaluations, {"things": THINGS.classes})
    assert [one.recall["sketch"].images for one in lines[0].classes] == [of for _, of in by_class(both)]
    assert mistakes(cell, THINGS.classes, 3)[0].taken.startswith("a thing of kind")
    assert not audit(world.registry).findings
