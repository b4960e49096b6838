"""The plan of a round as a pure function (facts in, open work out), and the forecast of all its work.

The same function starts a round, continues it after a crash, and finds at the end that nothing is open. It knows no
node, socket, file or clock. Source: docs/method.md §3. The forecast walks the plan to its end with imagined answers
where none are known. Imagined digests are never real ones, so a question behind an unanswered one never looks answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Combination
from ratatouille.recipes.admission import NOTHING_KNOWN, Known
from ratatouille.recipes.outcome import Fact
from ratatouille.recipes.questions import RoundPlan
from ratatouille.recipes.recipe import recipe_named
from ratatouille.recipes.round import Round
from ratatouille.recipes.studies import study_named
from ratatouille.recipes.walk import Walk
from ratatouille.record import sha256


def plan(
    round: Round,
    facts: Mapping[str, Fact],
    closing: bool = False,
    closed: Collection[str] = frozenset(),
    known: Known = NOTHING_KNOWN,
) -> RoundPlan:
    """Walk through a round.

    Args:
        round: what is to be done.
        facts: answers by work id.
        closing: the deadline has passed: ask for no more trainings, combine the runs that are there if they are at
            least `round.min_runs`.
        closed: questions that every node with the data has closed: a run that needs one is left out.
        known: inspections and maintainers' decisions, for a round whose runs are admitted by a gate.
    """
    walk = Walk(round, facts, closing, closed, known)
    for name in round.recipes:
        walk.plan.outcomes.append(walk.follow(recipe_named(name)))
    for name in round.analyses:
        walk.plan.studies[name] = study_named(name).ask(walk)
    walk.plan.sort()
    return walk.plan


@dataclass(frozen=True)
class Imagined:
    """An imagined answer, for a forecast; its digests are those of no real answer."""

    work_id: str

    @property
    def version(self) -> str:
        return sha256(f"{self.work_id} version".encode())

    @property
    def featurizer(self) -> str:
        return sha256(f"{self.work_id} featurizer".encode())

    @property
    def head(self) -> str:
        return sha256(f"{self.work_id} head".encode())

    @property
    def node(self) -> str:
        return sha256(f"{self.work_id} node".encode())

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return ()

    @property
    def comparison(self) -> Comparison:
        return Comparison(networks=())

    @property
    def created(self) -> float:
        return 0.0

    @property
    def kept_step(self) -> None:
        return None


class _Imagination(Mapping[str, Fact]):
    """Known facts, and an imagined one for every other question."""

    def __init__(self, known: Mapping[str, Fact], closed: Collection[str]) -> None:
        self._known = known
        self._closed = frozenset(closed) - known.keys()

    def __getitem__(self, work_id: str) -> Fact:
        if work_id in self._closed:  # no node will answer it
            raise KeyError(work_id)
        return self._known.get(work_id) or Imagined(work_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True)
class Forecast:
    """Everything a round needs, in the order of first need, and which part of it is known already."""

    orders: dict[str, Order]
    combinations: dict[str, Combination]
    known: frozenset[str]
    shared: int
    lacking: dict[str, Order]
    """Questions that will have no answer, since every node that could answer has closed them."""

    def open(self) -> list[Order]:
        """Orders that still have to be worked on."""
        return [order for work_id, order in self.orders.items() if work_id not in self.known]


def forecast(
    round: Round, facts: Mapping[str, Fact], closed: Collection[str] = frozenset(), known: Known = NOTHING_KNOWN
) -> Forecast:
    """Walk a round to its end: what is not inspected or counted yet is imagined to be admitted."""
    found = plan(round, _Imagination(facts, closed), closed=closed, known=replace(known, imagined=True))
    asked_of_nodes = {work_id: asked for work_id, asked in found.questions.items() if isinstance(asked, Order)}
    orders = {work_id: order for work_id, order in asked_of_nodes.items() if work_id not in found.lacking}
    combinations = {work_id: asked for work_id, asked in found.questions.items() if isinstance(asked, Combination)}
    answered = frozenset(facts) & found.questions.keys()
    return Forecast(orders, combinations, answered, found.shared, found.lacking)
