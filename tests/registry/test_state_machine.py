"""The registry beside a plain dictionary: whatever is done in whatever order, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from ratatouille.errors import Refusal
from ratatouille.exchange.signing import Signer
from ratatouille.exchange.version import Combination, Parent
from registry.records import Result
from registry.services.local import LocalRegistry
from tests.registry.world import World

Tree = Any
"""A run's id, or the coefficients and trees of an average's parents."""


class Base(RuleBasedStateMachine):
    """A registry, and what a dictionary says of it; rules do one thing to both, invariants compare."""

    beginning: Path

    def open(self) -> None:
        self.registry = LocalRegistry(self.folder / "registry")
        self.world = World(self.registry, self.folder / "files", Signer.open(self.folder / "node.key"))

    def begin(self) -> Result:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.beginning, self.folder, dirs_exist_ok=True)
        self.open()
        return self.world.probed()

    @rule()
    def restart(self) -> None:
        self.registry.close()
        self.open()

    def teardown(self) -> None:
        for entry in self.registry.versions.log(limit=1000):
            assert self.registry.versions.verify(entry.id).ok
        self.registry.close()
        shutil.rmtree(self.folder)


class History(Base):
    """Trainings, averages and counts."""

    known = Bundle("known")

    @initialize(target=known)
    def first(self) -> str:
        start = self.begin()
        self.versions = [entry.id for entry in reversed(self.registry.versions.log())]
        self.results = {str(start.version): start}
        self.counted: dict[str, int] = {}
        return str(start.version)

    def enter(self, result: Result) -> str:
        version = str(result.version)
        self.results[version] = result
        if version not in self.versions:
            self.versions.append(version)
        return version

    @rule(target=known, start=known, seed=st.integers(2, 5))
    def train(self, start: str, seed: int) -> str:
        receipt, files = self.world.fine_tune(self.results[start], seed)
        self.world.lease(receipt)
        return self.enter(self.registry.weights.push(self.world.seal(receipt), files))

    @rule(target=known, parents=st.lists(known, min_size=1, max_size=4))
    def average(self, parents: list[str]) -> str:
        ordered = tuple(Parent(version=id, coefficient=parents.count(id)) for id in sorted(set(parents)))
        return self.enter(self.registry.work.combine(Combination(parents=ordered)))

    @rule(version=known)
    def evaluate(self, version: str) -> None:
        receipt = self.world.evaluation(self.results[version])
        self.world.lease(receipt)
        self.registry.weights.push(self.world.seal(receipt), {})
        self.counted[version] = 1

    @invariant()
    def the_log_is_the_model(self) -> None:
        assert [entry.id for entry in reversed(self.registry.versions.log(limit=1000))] == self.versions
        for version in self.counted:
            assert any(one.evaluation.cell.split == "test" for one in self.registry.versions.show(version).evaluations)


class Names(Base):
    """Aliases, which move and are moved back, and tags, which stay."""

    versions = st.integers(0, 3)
    aliases = st.sampled_from(["latest", "next"])

    @initialize()
    def first(self) -> None:
        start = self.begin()
        self.ids = [str(start.version), *(str(self.world.tuned(start, seed).version) for seed in (2, 3, 4))]
        self.moves: dict[str, list[str]] = {}
        self.tags: dict[str, str] = {}

    @rule(version=versions, name=aliases)
    def release(self, version: int, name: str) -> None:
        moves = self.moves.setdefault(name, [])
        if name in self.tags:
            with pytest.raises(Refusal, match="never moves"):
                self.world.maintainer.release(self.ids[version], name)
        else:
            self.world.maintainer.release(self.ids[version], name)
            if not moves or moves[-1] != self.ids[version]:
                moves.append(self.ids[version])

    @rule(name=aliases, times=st.integers(1, 3))
    def undo(self, name: str, times: int) -> None:
        moves = self.moves.setdefault(name, [])
        for _ in range(times):
            if len(moves) < 2:
                with pytest.raises(Refusal, match="no move"):
                    self.world.maintainer.undo(name)
            else:
                moves.pop()
                assert self.world.maintainer.undo(name).version == moves[-1]

    @rule(version=versions, name=st.sampled_from(["spring", "next"]))
    def tag(self, version: int, name: str) -> None:
        target = self.ids[version]
        if self.moves.get(name) or self.tags.get(name, target) != target:
            with pytest.raises(Refusal):
                self.world.maintainer.tag(target, name)
        else:
            self.tags[name] = target
            self.world.maintainer.tag(target, name)

    @invariant()
    def names_are_the_model(self) -> None:
        pointing = {name: moves[-1] for name, moves in self.moves.items() if moves}
        assert self.registry.releases.aliases() == pointing
        assert {one.name: one.version for one in self.registry.releases.tags()} == self.tags
        for name, target in {**pointing, **self.tags}.items():
            assert self.registry.versions.resolve(name) == target


class Retractions(Base):
    """Runs, averages of runs and of averages, and an alias; what is retracted leaves every tree, and nothing else."""

    runs = Bundle("runs")
    averages = Bundle("averages")

    @initialize(target=runs)
    def first(self) -> Any:
        self.start = self.begin()
        self.takes = 0
        self.retracted: set[str] = set()
        self.released: Tree | None = None
        made = [self.run(seed) for seed in (2, 3, 4)]
        self.release(self.average([self.average(made[:2]), made[2]]))
        return multiple(*made)

    @rule(target=runs, seed=st.integers(2, 6))
    def train(self, seed: int) -> str:
        return self.run(seed)

    def run(self, seed: int) -> str:
        self.takes += 1  # a question that is open again gets another answer
        receipt, files = self.world.fine_tune(self.start, seed, note=f"take {self.takes}")
        self.world.lease(receipt)
        return str(self.registry.weights.push(self.world.seal(receipt), files).version)

    @rule(target=averages, parents=st.lists(runs | averages, min_size=1, max_size=3, unique=True))
    def combine(self, parents: list[str]) -> str:
        return self.average(parents)

    def average(self, parents: list[str]) -> str:
        ordered = tuple(Parent(version=id, coefficient=1 + place) for place, id in enumerate(parents))
        if any(self.state(id) != "admitted" for id in parents):
            with pytest.raises(Refusal, match="no version of this registry"):
                self.registry.work.combine(Combination(parents=ordered))
            return parents[0]
        version = str(self.registry.work.combine(Combination(parents=ordered)).version)
        assert self.tree(version) == tuple((one.coefficient, self.tree(one.version)) for one in ordered)
        return version

    @rule(version=averages)
    def publish(self, version: str) -> None:
        self.release(version)

    def release(self, version: str) -> None:
        if self.state(version) == "admitted":
            self.world.maintainer.release(version, "stable")
            self.released = self.tree(version)

    @rule(version=runs)
    def retract(self, version: str) -> None:
        self.world.maintainer.retract(version, "wrong labels")
        self.retracted.add(version)
        if self.released is not None and (left := self.without_retracted(self.released)) is not None:
            self.released = left
            assert self.state(self.registry.versions.resolve("stable")) == "admitted"

    @invariant()
    def no_average_that_stands_has_a_parent_that_does_not(self) -> None:
        states = {entry.id: entry for entry in self.registry.versions.log(limit=1000)}
        for entry in states.values():
            if entry.state == "admitted" and entry.version.rule.name == "combine":
                assert all(states[parent.version].state == "admitted" for parent in entry.version.parents)

    @invariant()
    def the_release_is_made_of_what_is_left(self) -> None:
        if self.released is not None:
            assert self.tree(self.registry.versions.resolve("stable")) == self.released

    def state(self, version: str) -> str:
        return self.registry.versions.show(version).entry.state

    def tree(self, version: str) -> Tree:
        """What a version is made of, as the registry has it."""
        made = self.registry.versions.show(version).entry.version
        if made.rule.name != "combine":
            return version
        return tuple((parent.coefficient, self.tree(parent.version)) for parent in made.parents)

    def without_retracted(self, tree: Tree) -> Tree | None:
        """The tree without retracted leaves and without what is empty then; None when nothing is left."""
        if isinstance(tree, str):
            return None if tree in self.retracted else tree
        kept = [(coefficient, self.without_retracted(inner)) for coefficient, inner in tree]
        return tuple((coefficient, inner) for coefficient, inner in kept if inner is not None) or None


@pytest.mark.parametrize("machine", [History, Names, Retractions])
def test_the_registry_is_what_a_dictionary_says(machine: type[Base], beginning: Path) -> None:
    here = type(machine.__name__, (machine,), {"beginning": beginning})
    many = settings(
        max_examples=20,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(here, settings=many)
