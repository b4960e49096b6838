"""One walk through a round: every question is asked as if its answer were there; the open ones are noted.

Methods return None for what is not known yet, and whoever asked goes on with what does not depend on it. Each
question's work id is returned beside the answer. `plan` owns the walk; the columns of the recipe table steer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ratatouille.exchange.assignment import (
    Cell,
    Compare,
    Evaluate,
    FineTune,
    Keep,
    KeepLast,
    Mixture,
    NodeAssignment,
    Probe,
)
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Combination, Parent
from ratatouille.recipes.columns import COMBINATIONS, KEEPS, STARTS, kept_with, mean_of
from ratatouille.recipes.hyperparameters import draw, run_seed
from ratatouille.recipes.outcome import Candidate, Fact, Outcome
from ratatouille.recipes.recipe import Recipe
from ratatouille.recipes.round import Auxiliary, Round, Share, Start


@dataclass
class Plan:
    """What a walk found: work for nodes, work for the registry, and where each recipe stands."""

    orders: dict[str, Order] = field(default_factory=dict)
    """Open work by work id, the most urgent first once the walk is over."""
    combinations: dict[str, Combination] = field(default_factory=dict)
    questions: dict[str, Order | Combination] = field(default_factory=dict)
    """Every question that the walk met, answered or open, by work id."""
    shared: int = 0
    """How often a recipe met a training that another one had asked for."""
    outcomes: list[Outcome] = field(default_factory=list)
    studies: dict[str, Any] = field(default_factory=dict)
    """What is known of each analysis that the round asks for, by its name (`studies.STUDIES`)."""

    def sort(self) -> None:
        """Put the orders in the order in which they should be handed out: short work first, then what other work waits
        for, so that a round does not end with one node at work on a long chain.
        """
        self.orders = dict(sorted(self.orders.items(), key=lambda item: _urgency(item[1])))

    @property
    def done(self) -> bool:
        """Whether nothing is open and every recipe stands complete."""
        known = all(study is not None for study in self.studies.values())
        return known and not self.orders and not self.combinations and all(one.complete for one in self.outcomes)


def _urgency(order: Order) -> int:
    """Counting and probing take seconds; an auxiliary run, which keeps its last step, is the start of target runs."""
    assignment = order.assignment
    if not isinstance(assignment, FineTune):
        return 0
    return 1 if isinstance(assignment.keep, KeepLast) else 2


@dataclass(frozen=True)
class Weights:
    """Input weights of a run, with the versions that they are taken from."""

    start: Start
    head: str
    head_version: str


@dataclass(frozen=True)
class Training:
    """Which run is asked for: everything but the weights that it starts from."""

    task: str
    share: Share
    name: str
    number: int
    trial: int
    keep: Keep
    label: str
    by: str
    steps: int | None = None
    """Other than the protocol's: the same run, stopped earlier."""


@dataclass(frozen=True)
class Comparing:
    """Which networks are to be compared, and the versions that they are made of."""

    networks: tuple[Mixture, ...]
    versions: tuple[str, ...]
    label: str
    ensemble: bool = False
    pairs: bool = False
    features: bool = False


class Walk:
    """One walk; methods return None for what is not known yet."""

    def __init__(self, round: Round, facts: Mapping[str, Fact], closing: bool) -> None:
        self.round: Round = round
        self.facts = facts
        self.closing = closing
        self.plan = Plan()
        self._asked_by: dict[str, str] = {}

    # -- questions

    def ask(self, assignment: NodeAssignment, parents: Sequence[str], label: str, by: str = "") -> Fact | None:
        """The answer of a node, or None after noting that the question is open."""
        work_id = assignment.digest
        if isinstance(assignment, FineTune) and by != self._asked_by.setdefault(work_id, by):
            self.plan.shared += 1
        if work_id not in self.plan.questions:
            order = Order(round=self.round.id, assignment=assignment, parents=tuple(parents), label=label)
            self.plan.questions[work_id] = order
            if self.facts.get(work_id) is None and (isinstance(assignment, Evaluate | Compare) or not self.closing):
                self.plan.orders[work_id] = order
        return self.facts.get(work_id)

    def combine(
        self, parents: Sequence[Parent], purpose: str, parts: Literal["both", "featurizer"] = "both"
    ) -> tuple[str, Fact | None]:
        """The combination of versions, and its work id; None after noting that it is open."""
        combination = Combination(parents=tuple(parents), parts=parts, purpose=purpose)
        work_id = combination.work_id
        if work_id not in self.plan.questions:
            self.plan.questions[work_id] = combination
            if work_id not in self.facts:
                self.plan.combinations[work_id] = combination
        return work_id, self.facts.get(work_id)

    # -- heads

    def probe(self, task: str, share: Share, label: str, trial: int) -> tuple[str, Fact | None]:
        """A head on the foundation's featurizer (METHOD.md 3.1), and the question's work id."""
        assignment = Probe(
            architecture=self.round.architecture,
            featurizer=self.round.foundation.featurizer,
            task=task,
            fingerprint=share.fingerprint,
            trial=trial,
            repeat=self.round.repeat,
            image_size=self.round.protocol.image_size,
            domains=share.domains,
            l2=self.round.protocol.probe_l2,
            iterations=self.round.protocol.probe_iterations,
        )
        return assignment.digest, self.ask(assignment, [self.round.foundation.version], label)

    def shared_head(self, trial: int) -> tuple[str, Fact | None]:
        """The one head w_lp of the target in a trial: probed on the foundation, averaged if several holdings did so."""
        trial = self._probe_trial(trial)
        probes = [
            self.probe(self.round.task, share, f"head of {self.round.target}" + self._part(i), trial)
            for i, share in enumerate(self.round.training)
        ]
        if len(probes) == 1:
            return probes[0]
        versions = [fact.version for _, fact in probes if fact is not None and fact.version is not None]
        if len(versions) < len(probes):
            return "", None
        return self.combine([Parent(version=version) for version in versions], "shared_head")

    def _probe_trial(self, trial: int) -> int:
        return 0 if self.round.protocol.probe_trial == "first" else trial

    def _part(self, number: int) -> str:
        return f" (holding {number + 1} of {len(self.round.training)})" if len(self.round.training) > 1 else ""

    # -- runs

    def auxiliary(self, auxiliary: Auxiliary, number: int) -> Start | None:
        """The featurizer that target run `number` starts from: the last step of run `number` mod R on an auxiliary
        task, from that task's own probe (METHOD.md 3.8).

        Where the task's domains are spread over holdings, each has R runs and a probe of its own, and target runs take
        the holdings in turn. Trials reshuffle the target's splits only: auxiliary work is done once for all targets.
        """
        holdings, runs = len(auxiliary.shares), self.round.protocol.auxiliary_runs
        starts = len(self.round.auxiliaries) + 1
        share, number = auxiliary.shares[number // starts % holdings], number % runs
        part = f" (holding {auxiliary.shares.index(share) + 1} of {holdings})" if holdings > 1 else ""
        _, probed = self.probe(auxiliary.task, share, f"head of {auxiliary.name}{part}", 0)
        if probed is None or probed.head is None or probed.version is None:
            return None
        weights = Weights(self.round.foundation, probed.head, probed.version)
        label = f"{auxiliary.name} run {number + 1}{part}"
        work = Training(auxiliary.task, share, auxiliary.name, number, 0, KeepLast(), label, "auxiliary")
        answer = self.fine_tune(work, weights)[1]
        if answer is None or answer.version is None or answer.featurizer is None:
            return None
        return Start(version=answer.version, featurizer=answer.featurizer)

    def fine_tune(self, work: Training, weights: Weights) -> tuple[str, Fact | None]:
        """One training run and its question's work id."""
        protocol, on_target = self.round.protocol, work.task == self.round.task
        drawn = draw(protocol, work.number, work.trial)
        pretrained = weights.start == self.round.foundation
        assignment = FineTune(
            architecture=self.round.architecture,
            featurizer=weights.start.featurizer,
            head=weights.head,
            task=work.task,
            fingerprint=work.share.fingerprint,
            trial=work.trial,
            repeat=self.round.repeat,
            image_size=protocol.image_size,
            domains=work.share.domains,
            seed=run_seed(work.name, self.round.held_out if on_target else (), work.number, work.trial),
            steps=work.steps or (protocol.steps if on_target else protocol.auxiliary_steps),
            warmup=0 if pretrained else protocol.warmup,
            batch=protocol.batch,
            learning_rate=drawn.learning_rate,
            weight_decay=drawn.weight_decay,
            dropout=drawn.dropout,
            evaluate_every=protocol.evaluate_every,
            keep=work.keep,
            augmentation=protocol.augmentation,
        )
        parents = [weights.start.version, weights.head_version]
        return assignment.digest, self.ask(assignment, parents, work.label, work.by)

    def run(self, recipe: Recipe, number: int, trial: int) -> Candidate | None:
        """Target run `number` of a recipe in a trial."""
        start = STARTS[recipe.starts].choose(self, number, trial)
        head = self.shared_head(trial)[1]
        if start is None or head is None or head.head is None or head.version is None or recipe.keeps is None:
            return None
        keeps, share = KEEPS[recipe.keeps], self.holding(number)
        label = f"{recipe.name} run {number + 1} of {self.round.protocol.runs}"
        if self.round.pool_trials > 1:
            label += f", trial {trial}"
        kept = self.keep(recipe.keeps)
        work = Training(self.round.task, share, self.round.target, number, trial, kept, label, recipe.name)
        work_id, fact = self.fine_tune(work, Weights(start, head.head, head.version))
        name = f"run {number + 1}"
        if keeps.mixed_with_start is None:
            return self.candidate(work_id, fact, name, trial, share)
        if fact is None:
            return None
        parents = kept_with(fact, head, keeps.mixed_with_start(self.round.protocol))
        return None if parents is None else self.candidate(*self.combine(parents, recipe.name), name, trial)

    def keep(self, name: str) -> Keep:
        """What a node is asked to keep by a row of the second column."""
        return KEEPS[name].asked(self.round.protocol)

    def holding(self, number: int) -> Share:
        """The holding that run `number` trains on: the same for all recipes, so that they are paired run by run, and
        balanced over starts.
        """
        starts = len(self.round.auxiliaries) + 1
        return self.round.training[(number % starts + number // starts) % len(self.round.training)]

    # -- counts

    def candidate(
        self, work_id: str, fact: Fact | None, label: str, trial: int | None, own: Share | None = None
    ) -> Candidate | None:
        """A version of the target with its counts; evaluations that are missing are asked for.

        A training's receipt already counts the validation split of its own holding. Without a trial, as for runs of
        several trials together, nothing is validated.
        """
        if fact is None or fact.version is None or fact.featurizer is None or fact.head is None:
            return None
        validation: list[Evaluation] | None = []
        for share in self.round.training if trial is not None else ():
            assert trial is not None
            counted = (
                fact.evaluations if share == own else self._evaluate(fact, share, _validation(share), label, trial)
            )
            validation = None if counted is None or validation is None else [*validation, *counted]
        held_out: list[Evaluation] | None = []
        for share in self.round.evaluation:
            counted = self._evaluate(fact, share, self._held_out(share), label, self.round.trial)
            held_out = None if counted is None or held_out is None else [*held_out, *counted]
        return Candidate(
            version=fact.version,
            featurizer=fact.featurizer,
            head=fact.head,
            label=label,
            work_id=work_id,
            trial=self.round.trial if trial is None else trial,
            validation=None if validation is None else tuple(validation),
            held_out=None if held_out is None else tuple(held_out),
        )

    def _held_out(self, share: Share) -> tuple[Cell, ...]:
        slices: tuple[Literal["all", "seen", "new"], ...] = ("all", *self.round.slices)
        return tuple(Cell(domain=domain, split="all", slice=slice_) for domain in share.domains for slice_ in slices)

    def _evaluate(
        self, fact: Fact, share: Share, cells: tuple[Cell, ...], label: str, trial: int
    ) -> tuple[Evaluation, ...] | None:
        if fact.featurizer is None or fact.head is None or fact.version is None:
            return None
        assignment = Evaluate(
            architecture=self.round.architecture,
            featurizer=fact.featurizer,
            head=fact.head,
            task=self.round.task,
            fingerprint=share.fingerprint,
            trial=trial,
            repeat=self.round.repeat,
            image_size=self.round.protocol.image_size,
            cells=cells,
        )
        answer = self.ask(assignment, [fact.version], f"evaluate {label} on {_named(share.domains)}")
        return None if answer is None else answer.evaluations

    def compare(self, asked: Comparing, share: Share, cells: tuple[Cell, ...], trial: int) -> Comparison | None:
        """What a node that holds this data counts of several networks."""
        assignment = Compare(
            architecture=self.round.architecture,
            task=self.round.task,
            fingerprint=share.fingerprint,
            trial=trial,
            repeat=self.round.repeat,
            image_size=self.round.protocol.image_size,
            networks=asked.networks,
            cells=cells,
            ensemble=asked.ensemble,
            pairs=asked.pairs,
            features=asked.features,
        )
        answer = self.ask(assignment, asked.versions, f"{asked.label} on {_named(share.domains)}")
        return None if answer is None else answer.comparison

    def validate_mean(self, members: Sequence[Candidate]) -> tuple[Evaluation, ...] | None:
        """Counts of the uniform mean of members on all validation splits; the mean becomes no version."""
        versions = tuple(str(member.version) for member in members)
        asked = Comparing((mean_of(members),), versions, f"validate a mean of {len(members)}")
        counted: list[Evaluation] = []
        complete = True
        for share in self.round.training:
            found = self.compare(asked, share, _validation(share), members[0].trial)
            complete = complete and found is not None
            counted += found.networks[0] if found is not None and found.networks else ()
        return tuple(counted) if complete else None

    def ensemble(self, members: Sequence[Candidate]) -> Candidate:
        """The mean of the members' outputs, with its counts."""
        networks = tuple(mean_of([member]) for member in members)
        versions = tuple(str(member.version) for member in members)
        asked = Comparing(networks, versions, f"ensemble of {len(members)}", ensemble=True)
        trial = members[0].trial
        validation = [self.compare(asked, share, _validation(share), trial) for share in self.round.training]
        held_out = [self.compare(asked, share, self._held_out(share), trial) for share in self.round.evaluation]
        return Candidate(
            version=None,
            featurizer=None,
            head=None,
            label="ensemble",
            work_id="",
            trial=trial,
            validation=_of_ensemble(validation),
            held_out=_of_ensemble(held_out),
        )

    # -- recipes

    def follow(self, recipe: Recipe) -> Outcome:
        """Walk through one recipe."""
        first = self.round.trial
        if recipe.keeps is None:
            work_id, head = self.shared_head(first)
            counted = len(self.round.training) == 1 and first == self._probe_trial(first)
            own = self.round.training[0] if counted else None
            final = self.candidate(work_id, head, "head", first, own)
            return Outcome(recipe.name, final, (final,) if final else (), 1)
        combines = COMBINATIONS[recipe.combines]
        trials = range(first, first + (self.round.pool_trials if combines.pools_trials else 1))
        numbers = range(self.round.protocol.runs)
        runs = [self.run(recipe, number, trial) for trial in trials for number in numbers]
        members, wanted = tuple(run for run in runs if run is not None), len(runs)
        least = (self.round.min_runs or wanted) if self.closing else wanted
        if len(members) < min(least, wanted):
            return Outcome(recipe.name, None, members, wanted)
        return Outcome(recipe.name, combines.of(self, members), members, wanted)


def _of_ensemble(comparisons: Sequence[Comparison | None]) -> tuple[Evaluation, ...] | None:
    known = [comparison for comparison in comparisons if comparison is not None]
    if len(known) < len(comparisons):
        return None
    return tuple(evaluation for comparison in known for evaluation in comparison.ensemble)


def _named(domains: Sequence[str]) -> str:
    """Domains for a label, which is short."""
    text = ", ".join(domains)
    return text if len(text) <= 80 else f"{domains[0]} and {len(domains) - 1} more"


def _validation(share: Share) -> tuple[Cell, ...]:
    return tuple(Cell(domain=domain, split="validation") for domain in share.domains)
