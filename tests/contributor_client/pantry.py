"""A registry with real tiny weights, and the images that they know: what commands on versions are tried on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ratatouille.exchange.assignment import FineTune, Probe
from ratatouille.exchange.membership import Lease, make_offer
from ratatouille.exchange.receipt import Receipt
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.maintainer import Maintainer
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.ratatouille.cli.call import Called, call
from tests.ratatouille.training.setup import TrainingSetup, set_up

TRAINED = ("probed", "first", "second", "average")
"""Aliases of the versions with a head, the oldest first; `foundation` has none."""


@dataclass(frozen=True)
class Pantry:
    """A registry with a foundation, a head, two trainings and their average, and the images that they know."""

    setup: TrainingSetup
    registry: LocalRegistry
    images: Path

    def ask(self, *words: object) -> Called:
        """A command that reads this registry; it must leave everything there as it is."""
        before = self._written()
        called = call(*words, "--remote", self.registry.folder)
        assert self._written() == before
        return called

    def _written(self) -> object:
        files = [path for path in self.registry.folder.rglob("*") if not path.name.startswith("registry.db-")]
        return (
            self.registry.rounds.events(limit=10_000),
            self.registry.releases.aliases(),
            self.registry.work.leases(),
            sorted(files),
        )


def stock(folder: Path) -> Pantry:
    """Fill a pantry."""
    setup = set_up(folder)
    registry = LocalRegistry(folder / "registry")
    foundation = setup.start[setup.digests["featurizer"]]
    words = ("foundation", foundation, "--architecture", "test_resnet", "--image-size", 32, "--as", "foundation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RATATOUILLE_HOME", str(folder / "home"))
        assert call(*words, "--remote", registry.folder).code == 0
    registry.definitions.define_task(setup.task)
    signer = Signer.open(folder / "key")
    registry.work.offer(make_offer(signer, "anna", [setup.data]))

    def push(assignment: Probe | FineTune, *parents: str) -> Result:
        made = setup.perform(assignment, folder / "work")
        receipt = Receipt(
            assignment=assignment,
            parents=parents,
            node=signer.node,
            featurizer=made.featurizer,
            head=made.head,
            evaluations=made.evaluations,
        )
        registry.work.lease(signer.seal(Lease.on(assignment, signer.node, 60.0)))
        return registry.weights.push(signer.seal(receipt), made.files)

    probed = push(setup.probe(), registry.versions.resolve("foundation"))
    tuned = [push(setup.fine_tune(seed=seed), str(probed.version)) for seed in (1, 2)]
    parents = tuple(Parent(version=str(one.version)) for one in tuned)
    average = registry.work.combine(Combination(parents=parents))
    for name, result in zip(TRAINED, (probed, *tuned, average), strict=True):
        Maintainer(registry, signer).release(str(result.version), name)
    return Pantry(setup, registry, folder / "images")
