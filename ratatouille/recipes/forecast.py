"""The forecast of a round: the plan walked to its end, with imagined answers where none are known.

Imagined digests are not the real ones, so a question behind an unanswered one never looks answered; everything that is
known counts as known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ratatouille.exchange.order import Order
from ratatouille.exchange.receipt import Comparison, Evaluation
from ratatouille.exchange.version import Combination
from ratatouille.recipes.outcome import Fact
from ratatouille.recipes.plan import plan
from ratatouille.recipes.round import Round
from ratatouille.record import sha256


@dataclass(frozen=True)
class Imagined:
    """A made-up answer; its digests are unlike any other's."""

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


class _Imagination(Mapping[str, Fact]):
    """Known facts, and an imagined one for every other question."""

    def __init__(self, known: Mapping[str, Fact], closed: Collection[str]) -> None:
        self._known = known
        self._closed = frozenset(closed) - known.keys()

    def __getitem__(self, work_id: str) -> Fact:
        if work_id in self._closed:  # nobody will answer it
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
    """What nobody will answer, since everybody who could has closed it."""

    def open(self) -> list[Order]:
        """Orders that still have to be worked on."""
        return [order for work_id, order in self.orders.items() if work_id not in self.known]


def forecast(round: Round, facts: Mapping[str, Fact], closed: Collection[str] = frozenset()) -> Forecast:
    """Walk a round to its end."""
    found = plan(round, _Imagination(facts, closed), closed=closed)
    asked_of_nodes = {work_id: asked for work_id, asked in found.questions.items() if isinstance(asked, Order)}
    orders = {work_id: order for work_id, order in asked_of_nodes.items() if work_id not in found.lacking}
    combinations = {work_id: asked for work_id, asked in found.questions.items() if isinstance(asked, Combination)}
    known = frozenset(facts) & found.questions.keys()
    return Forecast(orders, combinations, known, found.shared, found.lacking)
