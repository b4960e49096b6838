"""One walk through a round: every question is asked as if its answer were there; the open ones are noted.

Methods return None for what is not known yet, and whoever asked goes on with what does not depend on it. Each
question's work id is returned beside the answer. `plan` owns the walk; the columns of the recipe table steer it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ratatouille.exchange.assignment import Cell, Evaluate, FineTune, NodeAssignment, Probe
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Evaluation
from ratatouille.exchange.version import Combination, Parent
from ratatouille.recipes.columns import COMBINATIONS, STARTS
from ratatouille.recipes.hyperparameters import draw, run_seed
from ratatouille.recipes.outcome import Candidate, Fact, Outcome
from ratatouille.recipes.recipe import Recipe
from ratatouille.recipes.round import Auxiliary, Round, Share, Start


@dataclass
class Plan:
    """What a walk found: work for nodes, work for the registry, and where each recipe stands."""

    orders: dict[str, Order] = field(default_factory=dict)
    """Open work by work id, in the order in which it should be handed out."""
    combinations: dict[str, Combination] = field(default_factory=dict)
    questions: dict[str, Order | Combination] = field(default_factory=dict)
    """Every question that the walk met, answered or open, by work id."""
    shared: int = 0
    """How often a recipe met a training that another one had asked for."""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether nothing is open and every recipe stands complete."""
        return not self.orders and not self.combinations and all(outcome.complete for outcome in self.outcomes)


@dataclass(frozen=True)
class Weights:
    """Input weights of a run, with the versions that they are taken from."""

    start: Start
    head: str
    head_version: str


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
            if self.facts.get(work_id) is None and (isinstance(assignment, Evaluate) or not self.closing):
                self.plan.orders[work_id] = order
        return self.facts.get(work_id)

    def combine(self, parents: Sequence[str], purpose: str) -> tuple[str, Fact | None]:
        """The combination of versions, and its work id; None after noting that it is open."""
        combination = Combination(parents=tuple(Parent(version=version) for version in parents), purpose=purpose)
        work_id = combination.work_id
        if work_id not in self.plan.questions:
            self.plan.questions[work_id] = combination
            if work_id not in self.facts:
                self.plan.combinations[work_id] = combination
        return work_id, self.facts.get(work_id)

    # -- heads

    def probe(self, task: str, share: Share, label: str) -> tuple[str, Fact | None]:
        """A head on the foundation's featurizer (METHOD.md 3.1), and the question's work id."""
        assignment = Probe(
            architecture=self.round.architecture,
            featurizer=self.round.foundation.featurizer,
            task=task,
            fingerprint=share.fingerprint,
            trial=self._trial(task),
            repeat=self.round.repeat,
            image_size=self.round.protocol.image_size,
            domains=share.domains,
            l2=self.round.protocol.probe_l2,
            iterations=self.round.protocol.probe_iterations,
        )
        return assignment.digest, self.ask(assignment, [self.round.foundation.version], label)

    def shared_head(self) -> tuple[str, Fact | None]:
        """The one head w_lp of the target: probed on the foundation, and averaged when several holdings probed it."""
        probes = [
            self.probe(self.round.task, share, f"head of {self.round.target}" + self._part(i))
            for i, share in enumerate(self.round.training)
        ]
        if len(probes) == 1:
            return probes[0]
        versions = [fact.version for _, fact in probes if fact is not None and fact.version is not None]
        if len(versions) < len(probes):
            return "", None
        return self.combine(versions, "shared_head")

    def _part(self, number: int) -> str:
        return f" (holding {number + 1} of {len(self.round.training)})" if len(self.round.training) > 1 else ""

    def _trial(self, task: str) -> int:
        """Trials reshuffle the target's splits; auxiliary work is done once, whatever the target (METHOD.md 3.8)."""
        return self.round.trial if task == self.round.task else 0

    # -- runs

    def auxiliary(self, auxiliary: Auxiliary, number: int) -> Start | None:
        """The last-step featurizer of run `number` on an auxiliary task, from that task's own probe (METHOD.md 3.8)."""
        _, probed = self.probe(auxiliary.task, auxiliary.share, f"head of {auxiliary.name}")
        if probed is None or probed.head is None or probed.version is None:
            return None
        weights = Weights(self.round.foundation, probed.head, probed.version)
        label = f"{auxiliary.name} run {number + 1}"
        answer = self.fine_tune(
            auxiliary.task, auxiliary.share, weights, auxiliary.name, number, "last", label, by="auxiliary"
        )[1]
        if answer is None or answer.version is None or answer.featurizer is None:
            return None
        return Start(version=answer.version, featurizer=answer.featurizer)

    def fine_tune(
        self, task: str, share: Share, weights: Weights, name: str, number: int, keep: str, label: str, by: str
    ) -> tuple[str, Fact | None]:
        """One training run and its question's work id."""
        protocol, on_target = self.round.protocol, task == self.round.task
        trial = self._trial(task)
        drawn = draw(protocol, number, trial)
        pretrained = weights.start == self.round.foundation
        assignment = FineTune(
            architecture=self.round.architecture,
            featurizer=weights.start.featurizer,
            head=weights.head,
            task=task,
            fingerprint=share.fingerprint,
            trial=trial,
            repeat=self.round.repeat,
            image_size=protocol.image_size,
            domains=share.domains,
            seed=run_seed(name, self.round.held_out if on_target else (), number, trial),
            steps=protocol.steps if on_target else protocol.auxiliary_steps,
            warmup=0 if pretrained else protocol.warmup,
            batch=protocol.batch,
            learning_rate=drawn.learning_rate,
            weight_decay=drawn.weight_decay,
            dropout=drawn.dropout,
            evaluate_every=protocol.evaluate_every,
            keep=keep,
            augmentation=protocol.augmentation,
        )
        parents = [weights.start.version, weights.head_version]
        return assignment.digest, self.ask(assignment, parents, label, by)

    def run(self, recipe: Recipe, number: int) -> Candidate | None:
        """Target run `number` of a recipe."""
        start = STARTS[recipe.starts].choose(self, number)
        head = self.shared_head()[1]
        if start is None or head is None or head.head is None or head.version is None or recipe.keeps is None:
            return None
        shares, starts = self.round.training, STARTS[recipe.starts].count(self)
        share = shares[number // starts % len(shares)]
        label = f"{recipe.name} run {number + 1} of {self.round.protocol.runs}"
        work_id, fact = self.fine_tune(
            self.round.task,
            share,
            Weights(start, head.head, head.version),
            self.round.target,
            number,
            recipe.keeps,
            label,
            by=recipe.name,
        )
        return self.candidate(work_id, fact, f"run {number + 1}", share)

    # -- counts

    def candidate(self, work_id: str, fact: Fact | None, label: str, own: Share | None = None) -> Candidate | None:
        """A version of the target with its counts; evaluations that are missing are asked for.

        A training's receipt already counts the validation split of its own holding.
        """
        if fact is None or fact.version is None or fact.featurizer is None or fact.head is None:
            return None
        validation: list[Evaluation] | None = []
        for share in self.round.training:
            counted = fact.evaluations if share == own else self._evaluate(fact, share, _validation(share), label)
            validation = None if counted is None or validation is None else [*validation, *counted]
        held_out: list[Evaluation] | None = []
        for share in self.round.evaluation:
            counted = self._evaluate(fact, share, self._held_out(share), label)
            held_out = None if counted is None or held_out is None else [*held_out, *counted]
        return Candidate(
            version=fact.version,
            featurizer=fact.featurizer,
            head=fact.head,
            label=label,
            work_id=work_id,
            validation=None if validation is None else tuple(validation),
            held_out=None if held_out is None else tuple(held_out),
        )

    def _held_out(self, share: Share) -> tuple[Cell, ...]:
        slices: tuple[Literal["all", "seen", "new"], ...] = ("all", *self.round.slices)
        return tuple(Cell(domain=domain, split="all", slice=slice_) for domain in share.domains for slice_ in slices)

    def _evaluate(self, fact: Fact, share: Share, cells: tuple[Cell, ...], label: str) -> tuple[Evaluation, ...] | None:
        if fact.featurizer is None or fact.head is None or fact.version is None:
            return None
        assignment = Evaluate(
            architecture=self.round.architecture,
            featurizer=fact.featurizer,
            head=fact.head,
            task=self.round.task,
            fingerprint=share.fingerprint,
            trial=self.round.trial,
            repeat=self.round.repeat,
            image_size=self.round.protocol.image_size,
            cells=cells,
        )
        answer = self.ask(assignment, [fact.version], f"evaluate {label} on {_named(share.domains)}")
        return None if answer is None else answer.evaluations

    # -- recipes

    def follow(self, recipe: Recipe) -> Outcome:
        """Walk through one recipe."""
        if recipe.keeps is None:
            work_id, head = self.shared_head()
            own = self.round.training[0] if len(self.round.training) == 1 else None
            final = self.candidate(work_id, head, "head", own)
            return Outcome(recipe.name, final, (final,) if final else (), 1)
        wanted = self.round.protocol.runs
        runs = [self.run(recipe, number) for number in range(wanted)]
        members = tuple(run for run in runs if run is not None)
        least = (self.round.min_runs or wanted) if self.closing else wanted
        if len(members) < min(least, wanted):
            return Outcome(recipe.name, None, members, wanted)
        return Outcome(recipe.name, COMBINATIONS[recipe.combines](self, members), members, wanted)


def _named(domains: Sequence[str]) -> str:
    """Domains for a label, which is short."""
    text = ", ".join(domains)
    return text if len(text) <= 80 else f"{domains[0]} and {len(domains) - 1} more"


def _validation(share: Share) -> tuple[Cell, ...]:
    return tuple(Cell(domain=domain, split="validation") for domain in share.domains)
