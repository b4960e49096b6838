"""Contributions of finished rounds, honest ones and those that attackers push into the same registry.

An attack goes the way of every contribution: a receipt that a node with the data signed, and weights that the registry
checks while they come. What the registry refuses there never becomes a version.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from coordinator.benchmark.admission.attacks import Attack, Situation
from coordinator.benchmark.admission.weights import FlatWeights, Layout
from coordinator.driver import RoundDriver
from ratatouille.errors import Refusal
from ratatouille.exchange.assignment import FineTune, inputs_of
from ratatouille.exchange.membership import Lease
from ratatouille.exchange.receipt import Evaluation, Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.folders import write_whole
from ratatouille.recipes.plan import forecast
from ratatouille.record import sha256
from ratatouille.weights.architecture import PARTS, Part
from ratatouille.weights.canonical import encode
from registry.services.registry import Registry

LEASE_SECONDS = 600.0
"""How long a push may take."""


@dataclass(frozen=True)
class SubmittedRun:
    """A target run that a registry has, or that it refused."""

    label: str
    setting: str
    trial: int
    assignment: FineTune
    parents: tuple[str, ...]
    """The versions that it started from: of its featurizer, and of its head."""
    version: str
    featurizer: str
    head: str
    kept_step: int
    created: float
    claimed: tuple[Evaluation, ...] = ()
    """The counts of its own receipt."""
    attack: str | None = None
    refused: str | None = None
    """Why the registry did not take it."""

    @property
    def training(self) -> str:
        """What its batches and values follow from: equal for runs of one training that keep something else."""
        values = self.assignment.model_dump(mode="json", exclude={"keep", "repeat"})
        return sha256(repr(sorted(values.items())).encode())


def honest(driver: RoundDriver, registry: Registry, setting: str, trial: int) -> list[SubmittedRun]:
    """The target runs of a finished round, each once, in the order in which they were asked for."""
    found = []
    for work_id, order in forecast(driver.round, driver.facts).orders.items():
        work, fact = order.assignment, driver.facts.get(work_id)
        if not isinstance(work, FineTune) or work.task != driver.round.task or fact is None or fact.version is None:
            continue
        sealed = registry.versions.receipt(fact.version)
        assert sealed is not None
        receipt = Receipt.from_json(sealed.body)
        found.append(
            SubmittedRun(
                label=order.label,
                setting=setting,
                trial=trial,
                assignment=work,
                parents=receipt.parents,
                version=fact.version,
                featurizer=str(fact.featurizer),
                head=str(fact.head),
                kept_step=receipt.kept_step or 0,
                created=fact.created,
                claimed=receipt.evaluations,
            )
        )
    return found


@dataclass(frozen=True)
class Files:
    """Weights of a registry as vectors, read when they are asked for."""

    registry: Registry
    layout: Layout

    def read(self, featurizer: str, head: str) -> FlatWeights:
        """The network of these two parts."""
        paths: dict[Part, Path] = {
            "featurizer": self.registry.weights.fetch(featurizer),
            "head": self.registry.weights.fetch(head),
        }
        return self.layout.read(paths)

    def own(self, one: SubmittedRun) -> FlatWeights:
        """A contribution's weights."""
        return self.read(one.featurizer, one.head)

    def start(self, one: SubmittedRun) -> FlatWeights:
        """What it started from."""
        return self.read(one.assignment.featurizer, one.assignment.head)


@dataclass(frozen=True)
class Attacker:
    """A member that holds the data and pushes what an attack makes."""

    files: Files
    signer: Signer
    folder: Path
    """Where its weights are written; they may be deleted afterwards."""

    def push(self, attack: Attack, given: Situation, own: SubmittedRun) -> SubmittedRun:
        """Push an attack in place of an honest contribution; the receipt is the same, but for the weights.

        The question's `repeat` follows from the weights, so that the question is open, and equal weights are pushed
        once.
        """
        weights = attack.make(given)
        digests: dict[Part, str] = {}
        paths: dict[str, Path] = {}
        for part, arrays in self.files.layout.parts(weights).items():
            data = encode({name: arrays[name] for name in arrays})
            digests[part] = sha256(data)
            paths[digests[part]] = self.folder / f"{digests[part]}.safetensors"
            write_whole(paths[digests[part]], [data])
        registry = self.files.registry
        repeat = 1 + int(sha256("".join(digests.values()).encode())[:7], 16)
        assignment = own.assignment.model_copy(update={"repeat": repeat})
        receipt = Receipt(
            assignment=assignment,
            parents=own.parents,
            node=self.signer.node,
            featurizer=digests["featurizer"],
            head=digests["head"],
            evaluations=own.claimed,
            kept_step=own.kept_step or assignment.steps,
        )
        pushed = replace(
            own,
            label=f"{attack.name} for {own.label}",
            assignment=assignment,
            attack=attack.name,
            featurizer=digests["featurizer"],
            head=digests["head"],
            kept_step=own.kept_step or assignment.steps,
        )
        lease = Lease.on(assignment, self.signer.node, LEASE_SECONDS, inputs_of(assignment))
        registry.work.lease(self.signer.seal(lease.model_copy(update={"issued": time.time()})))
        try:
            result = registry.weights.push(self.signer.seal(receipt), paths)
        except Refusal as error:
            return replace(pushed, version="", refused=str(error))
        finally:
            for path in paths.values():
                path.unlink(missing_ok=True)
        assert result.version is not None
        return replace(pushed, version=result.version, created=result.created)


def situation(
    files: Files, own: SubmittedRun, peers: Sequence[SubmittedRun], elsewhere: SubmittedRun | None, seed: int
) -> Situation:
    """What an attacker that replaces `own` has."""
    start = files.start(own)
    foundation = files.registry.versions.show("foundation").entry.version.featurizer
    return Situation(
        own=files.own(own),
        start=start,
        origin=files.read(foundation, own.assignment.head),
        head=files.layout.head,
        classes=files.layout.classes,
        peers=[files.own(one) for one in peers],
        elsewhere=None if elsewhere is None else files.own(elsewhere),
        seed=seed,
    )


def parts_of(one: SubmittedRun) -> Mapping[Part, str]:
    """The digests of both parts."""
    return dict(zip(PARTS, (one.featurizer, one.head), strict=True))
