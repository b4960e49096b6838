"""A small world for the registry's tests: one architecture with buffers, one task, a node, and receipts of its work."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from ratatouille.errors import Unreachable
from ratatouille.exchange.assignment import Cell, Evaluate, FineTune, Import, KeepBest, NodeAssignment, Probe
from ratatouille.exchange.confusion import Confusion
from ratatouille.exchange.membership import Held, Lease, LeaseReturn, OfferWithdrawal, Stock, make_offer
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Sealed, Signer
from ratatouille.record import sha256
from ratatouille.tasks.holding import Holding
from ratatouille.tasks.task import Task
from ratatouille.weights.architecture import Architecture, Tensor
from ratatouille.weights.canonical import Array, encode
from registry.maintainer import Maintainer
from registry.records import Result
from registry.services.registry import Registry

NETWORK = Architecture(
    name="tiny",
    input_size=8,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    padding="symmetric",
    width=3,
    featurizer=(
        Tensor(name="conv.weight", shape=(3, 3, 2, 2)),
        Tensor(name="bn.running_mean", shape=(3,), buffer=True),
        Tensor(name="bn.num_batches_tracked", dtype="I64", buffer=True),
    ),
)
PETS = Task(name="pets", kind="target", classes=("cat", "dog"), domains=("photo", "sketch"))
SKETCHES = Cell(domain="sketch", split="test")
FINGERPRINT = sha256(b"the pets that we hold")
_MANY = {"train": (500, 500), "validation": (500, 500), "test": (500, 500)}
STOCK = Stock(
    Holding.model_validate(
        {
            "task": PETS.digest,
            "task_name": "pets",
            "counts": {"photo": _MANY, "sketch": _MANY},
            "fingerprint": FINGERPRINT,
        }
    ),
    seed=b"p" * 32,
)
"""The data that every node of the world holds."""


def featurizer(seed: int, **changes: Array) -> dict[str, Array]:
    """Random weights; the buffers are the same for every seed."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {
        "conv.weight": generator.standard_normal((3, 3, 2, 2), dtype=np.float32),
        "bn.running_mean": np.array([1, 2, 3], np.float32),
        "bn.num_batches_tracked": np.array(7, np.int64),
    }
    return arrays | changes


def stock_for(work: NodeAssignment) -> Stock:
    """Data like `STOCK` that a question may be about."""
    seed = STOCK.seed if work.fingerprint == FINGERPRINT else bytes.fromhex(work.fingerprint)
    return Stock(STOCK.holding.model_copy(update={"fingerprint": work.fingerprint, "task": work.task}), seed)


def head(seed: int, classes: int = 2) -> dict[str, Array]:
    """A random linear layer."""
    generator = np.random.default_rng(seed)
    return {
        "weight": generator.standard_normal((classes, 3), dtype=np.float32),
        "bias": generator.standard_normal(classes, dtype=np.float32),
    }


@dataclasses.dataclass
class World:
    """A registry and a node that works for it."""

    registry: Registry
    folder: Path
    signer: Signer

    @property
    def maintainer(self) -> Maintainer:
        """The node's owner, who may also release."""
        return Maintainer(self.registry, self.signer, "anna")

    def file(self, arrays: dict[str, Array]) -> tuple[str, Path]:
        """Write a part; returns its digest and where it lies."""
        return self.file_of(encode(arrays))

    def file_of(self, data: bytes) -> tuple[str, Path]:
        """Write bytes; returns their digest and where they lie."""
        digest = sha256(data)
        path = self.folder / f"{digest}.safetensors"
        path.write_bytes(data)
        return digest, path

    def define(self) -> None:
        """Enter the architecture and the task."""
        self.registry.definitions.define_architecture(NETWORK)
        self.registry.definitions.define_task(PETS)

    def foundation(self, seed: int = 0, source: str = "the sea") -> Result:
        """Import a featurizer."""
        receipt, files = self.foundation_receipt(seed, source)
        return self.registry.weights.push(self.seal(receipt), files)

    def foundation_receipt(self, seed: int = 0, source: str = "the sea") -> tuple[Receipt, dict[str, Path]]:
        """The import of a featurizer."""
        digest, path = self.file(featurizer(seed))
        work = Import(architecture=NETWORK.digest, featurizer=digest, source=source)
        return Receipt(assignment=work, node=self.signer.node, featurizer=digest), {digest: path}

    def probed(self) -> Result:
        """A foundation with a head for the pets."""
        base = self.foundation()
        receipt, files = self.probe(base)
        known = self.registry.work.results([receipt.work_id])
        return known.get(receipt.work_id) or self.work(receipt, files)

    def probe(self, base: Result, seed: int = 1) -> tuple[Receipt, dict[str, Path]]:
        """The answer to a probe."""
        digest, path = self.file(head(seed))
        work = Probe(
            architecture=NETWORK.digest,
            featurizer=str(base.featurizer),
            task=PETS.digest,
            fingerprint=FINGERPRINT,
            image_size=8,
            domains=("photo",),
            l2=1.0,
            iterations=10,
        )
        receipt = Receipt(
            assignment=work,
            parents=(str(base.version),),
            node=self.signer.node,
            featurizer=base.featurizer,
            head=digest,
        )
        return receipt, {digest: path}

    def fine_tune(
        self,
        start: Result,
        seed: int,
        body: dict[str, Array] | None = None,
        top: dict[str, Array] | None = None,
        **changes: Any,
    ) -> tuple[Receipt, dict[str, Path]]:
        """The answer to a fine-tuning; the weights follow from the seed."""
        first, one = self.file(featurizer(seed) if body is None else body)
        second, two = self.file(head(seed) if top is None else top)
        receipt = Receipt(
            assignment=self.question(start, seed),
            parents=(str(start.version),),
            node=self.signer.node,
            featurizer=first,
            head=second,
            evaluations=(Evaluation(cell=Cell(domain="photo", split="validation"), confusion=((5, 1), (2, 4))),),
            seconds=2.0,
        )
        return receipt.model_copy(update=changes), {first: one, second: two}

    def question(self, start: Result, seed: int) -> FineTune:
        """A fine-tuning."""
        return FineTune(
            architecture=NETWORK.digest,
            featurizer=str(start.featurizer),
            head=str(start.head),
            task=PETS.digest,
            fingerprint=FINGERPRINT,
            image_size=8,
            domains=("photo",),
            seed=seed,
            steps=10,
            warmup=0,
            batch=4,
            learning_rate=1e-3,
            weight_decay=0.0,
            dropout=0.0,
            evaluate_every=5,
            keep=KeepBest(),
        )

    def evaluation(
        self,
        result: Result,
        confusion: Confusion = ((3, 1), (0, 4)),
        cell: Cell = SKETCHES,
        **question: Any,
    ) -> Receipt:
        """Counts of a version on the sketches, or on another cell."""
        work = Evaluate(
            architecture=NETWORK.digest,
            featurizer=str(result.featurizer),
            head=str(result.head),
            task=PETS.digest,
            cells=(cell,),
            **{"fingerprint": FINGERPRINT, "image_size": 8, **question},
        )
        return Receipt(
            assignment=work, node=self.signer.node, evaluations=(Evaluation(cell=cell, confusion=confusion),)
        )

    def seal(self, receipt: Receipt) -> Sealed:
        """Sign."""
        return self.signer.seal(receipt)

    def lease(self, receipt: Receipt, seconds: float = 60.0) -> Lease | None:
        """Take the lease on a receipt's question."""
        assert isinstance(receipt.assignment, NodeAssignment)
        lease = Lease.on(receipt.assignment, receipt.node, seconds)
        try:
            return self.registry.work.lease(self.signer.seal(lease))
        except Unreachable as unreachable:
            if "does not offer" not in str(unreachable):
                raise
        self.offer(stock_for(receipt.assignment))
        return self.registry.work.lease(self.signer.seal(lease))

    def offer(self, *stock: Held, name: str = "zoo", seconds: float = 3600.0) -> None:
        """Offer data; all nodes of the world hold the same."""
        self.registry.work.offer(make_offer(self.signer, name, stock or (STOCK,), seconds=seconds))

    def release(self, work_id: str) -> None:
        """Give a lease back."""
        given = LeaseReturn(work_id=work_id, node=self.signer.node, issued=time.time())
        self.registry.work.release(self.signer.seal(given))

    def leave(self) -> None:
        """Withdraw the offer."""
        self.registry.work.withdraw_offer(self.signer.seal(OfferWithdrawal(node=self.signer.node, issued=time.time())))

    def work(self, receipt: Receipt, files: dict[str, Path]) -> Result:
        """Take the lease and push."""
        assert self.lease(receipt) is not None
        return self.registry.weights.push(self.seal(receipt), files)

    def tuned(self, start: Result, seed: int) -> Result:
        """A fine-tuned version."""
        return self.work(*self.fine_tune(start, seed))
