"""The single questions of a round: what is asked of nodes and of the registry, with the round's values filled in.

A question is asked as if its answer were there: the answer is returned, or None after noting that it is open. Each
question's work id is returned beside the answer where a caller needs it. Which questions are asked is up to `walk`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from ratatouille.exchange.dialect import PROFILES
from ratatouille.exchange.inspection import Inspection
from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Combination, Parent
from ratatouille.recipes.admission import NOTHING_KNOWN, Known, Verdict
from ratatouille.recipes.outcome import Fact, Outcome
from ratatouille.recipes.protocol import draw, run_seed
from ratatouille.recipes.round import HoldingShare, Round, Start


@dataclass
class RoundPlan:
    """The plan of a round, as a walk found it: work for nodes, work for the registry, and where each recipe stands."""

    orders: dict[str, Order] = field(default_factory=dict)
    """Open work by work id, the most urgent first once the walk is over."""
    combinations: dict[str, Combination] = field(default_factory=dict)
    inspections: dict[str, Inspection] = field(default_factory=dict)
    """Open questions to the registry about the weights of runs, by work id."""
    reviewed: set[str] = field(default_factory=set)
    """Versions of the runs that a gate looks at."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """The verdicts on them, by version."""
    questions: dict[str, Order | Combination] = field(default_factory=dict)
    """Every question that the walk met, answered or open, by work id."""
    lacking: dict[str, Order] = field(default_factory=dict)
    """Questions without an answer that every node with the data has closed, by work id."""
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
    def at_rest(self) -> bool:
        """Whether nothing is open."""
        return not (self.orders or self.combinations or self.inspections)

    @property
    def done(self) -> bool:
        """Whether nothing is open and every recipe stands complete, but for what lacks an answer for good and for runs
        that were not admitted.
        """
        if not self.at_rest:
            return False
        known = all(study is not None for study in self.studies.values())
        without = self.lacking or any(outcome.left_out for outcome in self.outcomes)
        return bool(without) or (known and all(one.complete for one in self.outcomes))


def _urgency(order: Order) -> int:
    """Counting and probing take seconds; an auxiliary run, which keeps its last step, is the start of target runs."""
    assignment = order.assignment
    if not isinstance(assignment, FineTune):
        return 0
    return 1 if isinstance(assignment.keep, KeepLast) else 2


@dataclass(frozen=True)
class StartWeights:
    """Input weights of a run, with the versions that they are taken from."""

    start: Start
    head: str
    head_version: str


@dataclass(frozen=True)
class Training:
    """A run to ask for, without the weights that it starts from."""

    task: str
    share: HoldingShare
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
    """Networks to compare, and the versions that they are made of."""

    networks: tuple[Mixture, ...]
    versions: tuple[str, ...]
    label: str
    ensemble: bool = False
    pairs: bool = False
    features: bool = False
    about: str | None = None
    """The version under review, if it is one."""


class Questions:
    """The questions of one walk; `plan` notes what was met."""

    def __init__(
        self,
        round: Round,
        facts: Mapping[str, Fact],
        closing: bool,
        closed: Collection[str] = frozenset(),
        known: Known = NOTHING_KNOWN,
    ) -> None:
        self.round: Round = round
        self.facts = facts
        self.known = known
        self.closing = closing
        self.missed = 0
        """How often the walk met a question that lacks an answer for good."""
        self._closed = frozenset(closed)
        self.plan = RoundPlan()
        self._asked_by: dict[str, str] = {}
        self._shared: set[tuple[str, str]] = set()
        """Trainings (first) that another recipe (second) met after the one that asked for them."""

    def ask(self, assignment: NodeAssignment, parents: Sequence[str], label: str, by: str = "") -> Fact | None:
        """The answer of a node, or None after noting that the question is open."""
        work_id = assignment.digest
        if isinstance(assignment, FineTune) and by != self._asked_by.setdefault(work_id, by):
            self._shared.add((work_id, by))
            self.plan.shared = len(self._shared)
        if work_id not in self.plan.questions:
            order = Order(round=self.round.id, assignment=assignment, parents=tuple(parents), label=label)
            self.plan.questions[work_id] = order
            if self._lacks(work_id):
                self.plan.lacking[work_id] = order
            elif self.facts.get(work_id) is None and (isinstance(assignment, Evaluate | Compare) or not self.closing):
                self.plan.orders[work_id] = order
        self.missed += self._lacks(work_id)
        return self.facts.get(work_id)

    def _lacks(self, work_id: str) -> bool:
        return work_id in self._closed and self.facts.get(work_id) is None

    def _about(self, task: str, share: HoldingShare, trial: int) -> dict[str, Any]:
        """The fields that all questions for nodes have in common."""
        return {
            "architecture": self.round.architecture,
            "task": task,
            "fingerprint": share.fingerprint,
            "trial": trial,
            "repeat": self.round.repeat,
            "revision": self.round.revision,
            "image_size": self.round.protocol.image_size,
        }

    def combine(self, parents: Sequence[Parent], purpose: str, **values: Any) -> tuple[str, Fact | None]:
        """The combination of versions, and its work id; None after noting that it is open.

        Args:
            parents: the versions, with their coefficients.
            purpose: why they are combined.
            values: other fields of the combination.
        """
        combination = Combination(parents=tuple(parents), purpose=purpose, **values)
        work_id = combination.work_id
        if work_id not in self.plan.questions:
            self.plan.questions[work_id] = combination
            if work_id not in self.facts:
                self.plan.combinations[work_id] = combination
        return work_id, self.facts.get(work_id)

    def probe(self, task: str, share: HoldingShare, label: str, trial: int) -> tuple[str, Fact | None]:
        """A head on the foundation's featurizer (docs/method.md §3.1), and the question's work id."""
        assignment = Probe(
            **self._about(task, share, trial),
            featurizer=self.round.foundation.featurizer,
            domains=share.domains,
            l2=self.round.protocol.probe_l2,
            iterations=self.round.protocol.probe_iterations,
        )
        return assignment.digest, self.ask(assignment, [self.round.foundation.version], label)

    def fine_tune(self, work: Training, weights: StartWeights) -> tuple[str, Fact | None]:
        """One training run and its question's work id."""
        protocol, on_target = self.round.protocol, work.task == self.round.task
        drawn = draw(protocol, work.number, work.trial)
        steps, evaluate_every = (work.steps or protocol.steps), protocol.evaluate_every
        rate = drawn.learning_rate
        if not on_target:
            steps, evaluate_every = protocol.of_auxiliary(work.name)
            rate *= protocol.auxiliary_rate_factor
        pretrained = weights.start == self.round.foundation
        assignment = FineTune(
            **self._about(work.task, work.share, work.trial),
            featurizer=weights.start.featurizer,
            head=weights.head,
            domains=work.share.domains,
            seed=run_seed(work.name, self.round.held_out if on_target else (), work.number, work.trial),
            steps=steps,
            warmup=0 if pretrained else protocol.warmup,
            batch=protocol.batch,
            learning_rate=rate,
            weight_decay=drawn.weight_decay,
            dropout=drawn.dropout,
            evaluate_every=evaluate_every,
            keep=work.keep,
            augmentation=protocol.augmentation,
            numerics=PROFILES[protocol.precision],
        )
        parents = [weights.start.version, weights.head_version]
        return assignment.digest, self.ask(assignment, parents, work.label, work.by)

    def evaluate(
        self, fact: Fact, share: HoldingShare, cells: tuple[Cell, ...], label: str, trial: int
    ) -> tuple[Evaluation, ...] | None:
        """What a node that holds this data counts of one version."""
        if fact.featurizer is None or fact.head is None or fact.version is None:
            return None
        assignment = Evaluate(
            **self._about(self.round.task, share, trial), featurizer=fact.featurizer, head=fact.head, cells=cells
        )
        answer = self.ask(assignment, [fact.version], f"evaluate {label} on {_named(share.domains)}")
        return None if answer is None else answer.evaluations

    def compare(self, asked: Comparing, share: HoldingShare, cells: tuple[Cell, ...], trial: int) -> Comparison | None:
        """What a node that holds this data counts of several networks."""
        answer = self._compare(asked, share, cells, trial)[1]
        return None if answer is None else answer.comparison

    def compared(
        self, asked: Comparing, share: HoldingShare, cells: tuple[Cell, ...], trial: int
    ) -> tuple[Comparison, str | None] | None:
        """The same with the key of the node that counted; no network and no node where nobody will count."""
        work_id, answer = self._compare(asked, share, cells, trial)
        if answer is not None and answer.comparison is not None:
            return answer.comparison, answer.node
        return (Comparison(networks=()), None) if answer is not None or self._lacks(work_id) else None

    def _compare(
        self, asked: Comparing, share: HoldingShare, cells: tuple[Cell, ...], trial: int
    ) -> tuple[str, Fact | None]:
        assignment = Compare(
            **self._about(self.round.task, share, trial),
            networks=asked.networks,
            cells=cells,
            ensemble=asked.ensemble,
            pairs=asked.pairs,
            features=asked.features,
            about=asked.about,
        )
        answer = self.ask(assignment, asked.versions, f"{asked.label} on {_named(share.domains)}")
        return assignment.digest, answer


def _named(domains: Sequence[str]) -> str:
    """Domains for a label, which is short."""
    text = ", ".join(domains)
    return text if len(text) <= 80 else f"{domains[0]} and {len(domains) - 1} more"
